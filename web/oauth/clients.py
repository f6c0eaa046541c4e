"""An application as Authlib asks about it, and how applications prove who they are."""

import hmac
from collections.abc import Callable
from typing import Any

from authlib.oauth2.rfc6749 import ClientMixin

from models.applications import check_redirect_uri, clear_secret
from models.errors import Invalid
from models.scopes import named_scopes
from models.session import Session
from models.tables import OAuthApplication

METHODS = ("client_secret_basic", "client_secret_post", "none")
"""`none` is for programs that cannot keep a secret: a code of theirs is bound to a verifier instead (RFC 7636)."""


class Client(ClientMixin):
    """`own_uris`: addresses of this server to which every application may send, to show a token to its user."""

    def __init__(self, session: Session, application: OAuthApplication, own_uris: frozenset[str]) -> None:
        self.application = application
        self._secret = clear_secret(session, application)
        self._own_uris = own_uris

    def get_client_id(self) -> str:
        return self.application.client_id

    def get_default_redirect_uri(self) -> str | None:
        registered = self.application.redirect_uri
        return registered if registered and self.check_redirect_uri(registered) else None

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """The scopes asked for, spelled in one way; None if one is unknown or none was asked for."""
        named = named_scopes(scope or "")
        return None if named is None else " ".join(named)

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Whether it is, letter for letter, the registered address, and one that is fit for redirects."""
        if redirect_uri in self._own_uris:
            return True
        try:
            return bool(redirect_uri) and check_redirect_uri(redirect_uri) == self.application.redirect_uri
        except Invalid:
            return False

    def check_client_secret(self, client_secret: str) -> bool:
        same = hmac.compare_digest(self._secret.encode(), client_secret.encode())
        return same and bool(self._secret)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in METHODS

    def check_response_type(self, response_type: str) -> bool:
        return True

    def check_grant_type(self, grant_type: str) -> bool:
        return True


QueryClient = Callable[[str], Client | None]


def by_basic(query_client: QueryClient, request: Any) -> Client | None:
    """The client that HTTP basic credentials prove."""
    given = request.basic
    return _proven(query_client, given.username, given.password) if given is not None else None


def by_post(query_client: QueryClient, request: Any) -> Client | None:
    """The client that credentials in the form prove."""
    return _proven(query_client, request.form.get("client_id"), request.form.get("client_secret"))


def by_nothing(query_client: QueryClient, request: Any) -> Client | None:
    """The client that is named, if nothing is presented that should prove it."""
    named = request.payload.client_id
    if request.basic is not None or request.form.get("client_secret"):
        return None
    return query_client(named) if named else None


def _proven(query_client: QueryClient, client_id: str | None, secret: str | None) -> Client | None:
    client = query_client(client_id) if client_id and secret else None
    return client if client is not None and secret and client.check_client_secret(secret) else None
