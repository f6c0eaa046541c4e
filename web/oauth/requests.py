"""What an application asks of a person, checked as far as it can be before the person is asked."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError
from flask import Response, g

from models.errors import Invalid
from models.scopes import SCOPES, Scope
from models.session import Session
from models.tables import User
from web.oauth.clients import Client
from web.oauth.server import LOCAL_PATH, Asked, Server

RESPONSE_TYPES = ("code", "token")
_TARGET = ("client_id", "redirect_uri")
"""Without them it is not clear where to send the browser, so what is wrong with them is told to the person."""
_PARAMETERS = (
    *_TARGET,
    *("response_type", "scope", "state", "code_challenge", "code_challenge_method", "assignment_uuid"),
)


@dataclass(frozen=True)
class Request:
    """A request of an application that is known, to be answered at an address that is its own.

    `local`: a person wants a token for themselves, to be shown on our own page.
    """

    asked: Asked
    client: Client
    redirect_uri: str
    local: bool

    @property
    def scopes(self) -> dict[str, Scope]:
        """What is asked for, as it is explained to people."""
        return {name: SCOPES[name] for name in (self.client.get_allowed_scope(self.asked.payload.scope) or "").split()}

    @property
    def is_token(self) -> bool:
        return bool(self.asked.payload.response_type == "token")

    @property
    def fields(self) -> dict[str, str]:
        """The parameters, for the form by which the person answers."""
        given = self.asked.payload.data
        return {name: given[name] for name in _PARAMETERS if name in given}


def open_request(server: Server, session: Session) -> Request:
    """The request at hand; Invalid, which is to be told to the person, if nobody should be sent anywhere."""
    asked = server.create_oauth2_request(None)
    for name in _TARGET:
        if len(asked.payload.datalist.get(name, ())) > 1:
            raise Invalid(f"{name}: the application has to name it once")
    client = server.query_client(asked.payload.client_id or "")
    if client is None:
        raise Invalid("client_id: no application is registered here by this id")
    redirect_uri = asked.payload.redirect_uri or client.get_default_redirect_uri()
    if not redirect_uri or not client.check_redirect_uri(redirect_uri):
        raise Invalid(
            f"redirect_uri: {client.application.name} may not send people to this address; "
            "it has to be, letter for letter, the one that is registered for the application"
        )
    local = redirect_uri in server.own_uris()
    if local and asked.payload.response_type != "token":
        raise Invalid(f"response_type: expected token, since {LOCAL_PATH} shows a token")
    g.is_local = local
    return Request(asked, client, redirect_uri, local)


def find_fault(server: Server, found: Request) -> Response | None:
    """The answer to the application if the rest of its request is not as it has to be."""
    try:
        if found.asked.payload.response_type not in RESPONSE_TYPES:
            _refuse_response_type(found.asked.payload.response_type)
        if any("\0" in value for value in found.fields.values()):
            raise InvalidRequestError("No parameter can have a NUL character.")
        grant = server.get_authorization_grant(found.asked)
        grant.validate_no_multiple_request_parameter(found.asked)
        grant.validate_consent_request()
    except OAuth2Error as error:
        return _tell(server, found, error)
    return None


def answer(server: Server, found: Request, user: User | None) -> Response:
    """What the application gets: a code or a token that acts for `user`, or a refusal without one."""
    grant = server.get_authorization_grant(found.asked)
    response: Response = server.create_authorization_response(found.asked, grant_user=user, grant=grant)
    return response


def generate(server: Server, found: Request, user: User) -> str:
    """A token of the application that `user` generates for themselves."""
    found.asked.client, found.asked.user = found.client, user
    token = server.generate_token("implicit", found.client, user=user, scope=" ".join(found.scopes))
    server.save_token(token, found.asked)
    return str(token["access_token"])


def _refuse_response_type(given: str | None) -> None:
    if not given:
        raise InvalidRequestError("Missing 'response_type' in request.")
    error = InvalidRequestError("response_type has to be code or token.")
    error.error = "unsupported_response_type"
    raise error


def _tell(server: Server, found: Request, error: Any) -> Response:
    if found.local:
        raise Invalid(f"{error.error}: {error.get_error_description()}")
    error.redirect_uri = found.redirect_uri
    error.redirect_fragment = found.is_token
    error.state = found.asked.payload.state
    response: Response = server.handle_error_response(found.asked, error)
    return response


def origin(uri: str) -> str:
    """The source in a Content-Security-Policy that covers the address: its origin, or its scheme alone."""
    parts = urlsplit(uri)
    if parts.scheme in {"http", "https"} and "[" not in parts.netloc:  # no policy can name an IPv6 address
        return f"{parts.scheme}://{parts.netloc}"
    return f"{parts.scheme}:"
