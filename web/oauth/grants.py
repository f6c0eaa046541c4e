"""The two ways to a token that Quay has: by an authorization code, and at once (implicit)."""

import hmac
from dataclasses import dataclass
from typing import Any

from authlib.oauth2.rfc6749 import InvalidClientError, InvalidRequestError
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, ImplicitGrant
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge, create_s256_code_challenge
from flask import g, request

from models.access import Identity
from models.authorization_codes import claim_code, create_code, use_code
from models.tables import Account, AuthorizationCode
from models.tokens import find_oauth_token, revoke_oauth_token
from web.oauth.clients import METHODS, Client

LONGEST_CODE = 128


def by_client(client: Client) -> Identity:
    """Who acts when an application does, for the log."""
    return Identity(name=f"(application {client.get_client_id()})", ip=request.remote_addr)


@dataclass(frozen=True)
class Code:
    """A code as Authlib asks about it."""

    row: AuthorizationCode

    def get_redirect_uri(self) -> str | None:
        return self.row.redirect_uri

    def get_scope(self) -> str:
        return self.row.scopes

    @property
    def code_challenge(self) -> str | None:
        return self.row.code_challenge

    @property
    def code_challenge_method(self) -> str:
        return "S256"


class CodeGrant(AuthorizationCodeGrant):
    """A code for the browser to carry, exchanged by the application for a token."""

    TOKEN_ENDPOINT_AUTH_METHODS = METHODS

    def authenticate_token_endpoint_client(self) -> Client:
        client: Client = super().authenticate_token_endpoint_client()
        if self.request.auth_method == "none" and not self.request.form.get("code_verifier"):
            raise InvalidClientError(
                status_code=401, description="Authenticate with the client secret, or send a code_verifier."
            )
        return client

    def save_authorization_code(self, code: str, request: Any) -> None:
        create_code(
            g.session,
            request.client.application,
            request.user,
            code,
            request.scope,
            redirect_uri=request.payload.redirect_uri,
            code_challenge=request.payload.data.get("code_challenge"),
        )

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        if len(code) > LONGEST_CODE:
            return None
        row = claim_code(g.session, client.application, code, actor=by_client(client))
        return None if row is None else Code(row)

    def delete_authorization_code(self, authorization_code: Code) -> None:
        """Note what it became; it is known a while longer, so that a second use is noticed."""
        use_code(authorization_code.row, g.issued)

    def authenticate_user(self, authorization_code: Code) -> Account | None:
        account = authorization_code.row.account
        return account if account.enabled else None


class TokenGrant(ImplicitGrant):
    """A token for the browser to carry, in the part of the address that servers do not see."""


class Challenge(CodeChallenge):
    """PKCE by S256. `plain` is refused, also as what a request without a method means: it protects nothing."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ["S256"]  # noqa: RUF012 # Authlib's

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        data = grant.request.payload.data
        if data.get("code_challenge") and not data.get("code_challenge_method"):
            raise InvalidRequestError("code_challenge_method has to be S256.")
        super().validate_code_challenge(grant, redirect_uri)


def _same_challenge(verifier: str, challenge: str) -> bool:
    return hmac.compare_digest(create_s256_code_challenge(verifier), challenge)


Challenge.CODE_CHALLENGE_METHODS = {"S256": _same_challenge}


class Revocation(RevocationEndpoint):
    """An application gives back a token of its own (RFC 7009)."""

    CLIENT_AUTH_METHODS = METHODS

    def check_params(self, request: Any, client: Client) -> None:
        if not request.form.get("token"):
            raise InvalidRequestError("Missing 'token' in request.")

    def query_token(self, token_string: str, token_type_hint: str | None) -> Any:
        return find_oauth_token(g.session, token_string)

    def authenticate_token(self, request: Any, client: Client) -> Any:
        """The token, if it is the client's; another one's is treated like one that is unknown."""
        self.check_params(request, client)
        row = self.query_token(request.form["token"], None)
        return row if row is not None and row.application_id == client.application.id else None

    def revoke_token(self, token: Any, request: Any) -> None:
        revoke_oauth_token(g.session, token, log_to=token.account, actor=by_client(request.client))
