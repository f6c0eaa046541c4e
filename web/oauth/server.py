"""Authlib's authorization server on our tables: what it asks of the web framework and of the database.

It works inside of a transaction of its caller's, `g.session`.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import cached_property
from typing import Any, TypeVar

from authlib.oauth2.rfc6749 import AuthorizationServer, InvalidScopeError, OAuth2Payload, OAuth2Request
from flask import Request, Response, g, json, request
from werkzeug.datastructures import Authorization, MultiDict

from models.access import Identity
from models.applications import find_application
from models.scopes import named_scopes
from models.session import Session
from models.tables.base import now
from models.tokens import keep_oauth_token
from models.vault import new_token
from registry.services import Services
from web.oauth.clients import Client, by_basic, by_nothing, by_post
from web.oauth.grants import Challenge, CodeGrant, Revocation, TokenGrant

LOCAL_PATH = "/oauth/localapp"
"""Where a token is shown to the person it acts for, instead of being given to the application."""
LONGEST_CLIENT_ID = 64
GENERATED = "Generated token"
"""The name of tokens that people generate for themselves."""
T = TypeVar("T")


class Payload(OAuth2Payload):
    """The parameters: of the URL when a browser is sent here, of the form where one is filled in; never of both."""

    def __init__(self, given: MultiDict[str, str]) -> None:
        self._given = given

    @property
    def data(self) -> MultiDict[str, str]:
        return self._given

    @cached_property
    def datalist(self) -> defaultdict[str, list[str]]:
        return defaultdict(list, {name: self._given.getlist(name) for name in self._given})


class Asked(OAuth2Request):
    """A request as Authlib sees it."""

    def __init__(self, asked: Request) -> None:
        # Whether TLS is needed is the operator's affair: without it Authlib would refuse all but local hosts.
        super().__init__(asked.method, "https://localhost/", headers=asked.headers)
        self._asked = asked
        self.payload = Payload(asked.args if asked.method == "GET" else _with_default(asked.form))

    @property
    def form(self) -> MultiDict[str, str]:
        return self._asked.form

    @property
    def basic(self) -> Authorization | None:
        given = self._asked.authorization
        return given if given is not None and given.type == "basic" else None


def _with_default(form: MultiDict[str, str]) -> MultiDict[str, str]:
    """The form, which in Quay's pages has no response type and means a token."""
    return form if "response_type" in form else MultiDict([("response_type", "token"), *form.items(multi=True)])


class Server(AuthorizationServer):
    """The one authorization server of this installation."""

    def __init__(self, services: Services) -> None:
        super().__init__()
        self.services = services
        self.register_token_generator("default", self._make_token)
        self.register_client_auth_method("client_secret_basic", by_basic)
        self.register_client_auth_method("client_secret_post", by_post)
        self.register_client_auth_method("none", by_nothing)
        self.register_grant(CodeGrant, [Challenge(required=False)])
        self.register_grant(TokenGrant)
        self.register_endpoint(Revocation)

    @property
    def lifetime_s(self) -> int:
        return self.services.settings.OAUTH_ACCESS_TOKEN_LIFETIME_SEC

    def own_uris(self) -> frozenset[str]:
        """The addresses of the page that shows tokens: by the configured name, and by that which the browser used."""
        return frozenset(f"{root}{LOCAL_PATH}" for root in (self.services.settings.url, request.host_url.rstrip("/")))

    def reading(self, work: Callable[[Session], T]) -> T:
        """Do `work` in a transaction that changes nothing."""
        with self.services.database.read() as session:
            g.session = session
            return work(session)

    def writing(self, work: Callable[[Session], T]) -> T:
        """Do `work` in a transaction that commits."""

        def within(session: Session) -> T:
            g.session = session
            return work(session)

        return self.services.database.apply(within)

    def query_client(self, client_id: str) -> Client | None:
        if len(client_id) > LONGEST_CLIENT_ID or not client_id.isprintable():
            return None
        application = find_application(g.session, client_id)
        return None if application is None else Client(g.session, application, self.own_uris())

    def validate_requested_scope(self, scope: str | None) -> None:
        if named_scopes(scope or "") is None:
            raise InvalidScopeError

    def save_token(self, token: dict[str, Any], asked: Asked) -> None:
        user = asked.user
        g.issued = keep_oauth_token(
            g.session,
            asked.client.application,
            user,
            token["access_token"],
            token["scope"],
            name=GENERATED if g.get("is_local") else None,
            expires_at=now() + timedelta(seconds=self.lifetime_s),
            log_to=user,
            actor=Identity(kind="user", account_id=user.id, name=user.name, ip=request.remote_addr),
        )

    def _make_token(self, scope: str, **_: Any) -> dict[str, Any]:
        return {
            "access_token": new_token(),
            "token_type": "Bearer",
            "expires_in": self.lifetime_s,
            "scope": scope,
        }

    def create_oauth2_request(self, _: Any) -> Asked:
        return Asked(request)

    def handle_response(self, status: int, body: Any, headers: Iterable[tuple[str, str]]) -> Response:
        text = json.dumps(body) if isinstance(body, dict) else body
        response = Response(text, status=status, headers=list(headers))
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nobody listens: what happens is written to the action log."""
