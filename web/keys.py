"""The key server: public keys of services, for whoever must know whom to trust; `/keys`, as in Quay.

Reading is open to everybody. A service brings its key signed with itself, and waits for a superuser's approval; or
signed with one of its keys that is trusted, and is trusted in its turn.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, jsonify, request
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from models import brakes, published_keys
from models.access import ANONYMOUS, Identity
from models.brakes import ASKING, Counted
from models.errors import Conflict, DomainError, Forbidden, Invalid, NotFound, TooMany
from models.published_keys import LONGEST_NAME, find_key, trusted_keys
from models.session import Session
from models.tables import PublishedKey
from models.tables.base import now
from registry.services import Services

LARGEST_JWK = 16 * 1024
LONGEST_CACHED = timedelta(days=1)
LONGEST_TOKEN_S = 3600
LEEWAY_S = 30
_ALGORITHMS = ["RS256", "ES256"]
_STATUS: Mapping[type[DomainError], int] = {Invalid: 400, Forbidden: 403, NotFound: 404, Conflict: 409, TooMany: 429}


def blueprint(services: Services) -> Blueprint:
    """All of it, below /keys."""
    server = _KeyServer(services)
    page = Blueprint("keys", __name__, url_prefix="/keys/services/<service>/keys")
    page.before_request(_refuse_what_is_no_name)
    page.register_error_handler(DomainError, _refusal)
    page.add_url_rule("", view_func=server.list_keys)
    page.add_url_rule("/<kid>", view_func=server.get_key)
    page.add_url_rule("/<kid>", view_func=server.put_key, methods=["PUT"])
    page.add_url_rule("/<kid>", view_func=server.delete_key, methods=["DELETE"])
    return page


class _KeyServer:
    def __init__(self, services: Services) -> None:
        self._database = services.database
        self._audience = services.settings.url

    def list_keys(self, service: str) -> Response:
        """The keys of the service that are trusted."""
        with self._database.read() as session:
            return jsonify({"keys": [key.jwk for key in trusted_keys(session, service)]})

    def get_key(self, service: str, kid: str) -> Response:
        """One key, if it is trusted."""
        with self._database.read() as session:
            key = find_key(session, service, kid)
        if key is None:
            raise NotFound("There is no such key")
        if key.approved_at is None:
            raise Conflict("The key waits for approval")
        left = LONGEST_CACHED if key.expires_at is None else min(key.expires_at - now(), LONGEST_CACHED)
        if left <= timedelta():
            raise Forbidden("The key has expired")
        response = jsonify(key.jwk)
        response.headers["Cache-Control"] = f"max-age={int(left.total_seconds())}"
        return response

    def put_key(self, service: str, kid: str) -> Response:
        """Take a key: 202, it waits for approval; 200, a trusted one vouches for it."""
        jwk = _jwk()
        expires_at = published_keys.moment_of(_seconds(request.args.get("expiration")))
        signer_kid = _signer()
        if signer_kid in (None, kid):
            _check_signature(jwk, service, self._audience)
            # Anybody may, and what waits for approval is limited in number.
            brakes.slow_down(self._database, Counted(ASKING, brakes.site_of(request.remote_addr)))
            with self._database.write() as session:
                published_keys.submit_key(session, service, kid, jwk, expires_at=expires_at, actor=_actor())
            return Response(status=202)
        with self._database.write() as session:
            signer = self._trusted(session, service, signer_kid)
            published_keys.replace_key(session, signer, kid, jwk, expires_at=expires_at, actor=_actor())
        return Response(status=200)

    def delete_key(self, service: str, kid: str) -> Response:
        """Forget a key, as itself or a trusted one of the service wishes."""
        signer_kid = _signer()
        with self._database.write() as session:
            key = find_key(session, service, kid)
            if key is not None and signer_kid == kid:
                _check_signature(key.jwk, service, self._audience)
            else:
                self._trusted(session, service, signer_kid)
            if key is None:
                raise NotFound("There is no such key")
            published_keys.remove_key(session, kid, actor=_actor(), signer=signer_kid)
        return Response(status=204)

    def _trusted(self, session: Session, service: str, kid: str | None) -> PublishedKey:
        """The trusted key that the request's token is signed with."""
        signer = next((key for key in trusted_keys(session, service) if key.kid == kid), None)
        if signer is None:
            raise Forbidden("The signature is not of a trusted key")
        _check_signature(signer.jwk, service, self._audience)
        return signer


def _refuse_what_is_no_name() -> None:
    """Refuse (NotFound) names that no service and no key can have, nor the database look for."""
    names = (request.view_args or {}).values()
    if not all(name.isprintable() and len(name) <= LONGEST_NAME for name in names):
        raise NotFound("There is no such key")


def _actor() -> Identity:
    return ANONYMOUS.at(request.remote_addr)


def _refusal(error: DomainError) -> Response:
    response = jsonify({"error": error.detail})
    response.status_code = _STATUS[type(error)]
    if isinstance(error, TooMany) and error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def _jwk() -> dict[str, Any]:
    """The public key that the body holds; Invalid."""
    request.max_content_length = LARGEST_JWK
    jwk = request.get_json(silent=True)
    if not isinstance(jwk, dict) or jwk.get("kty") not in ("RSA", "EC"):
        raise Invalid("Expected an RSA or EC key as JWK")
    if "d" in jwk:
        raise Invalid("Expected a public key; this private one must be replaced, for it has been sent")
    _imported(jwk)
    return jwk


def _imported(jwk: Mapping[str, Any]) -> RSAKey | ECKey:
    try:
        if jwk["kty"] == "RSA":
            return RSAKey.import_key(dict(jwk))
        return ECKey.import_key(dict(jwk))
    except (JoseError, ValueError, TypeError) as exc:
        raise Invalid("Expected an RSA or EC key as JWK") from exc


def _token() -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Invalid("Expected a signed token: Authorization: Bearer …")
    return token


def _signer() -> str | None:
    """The id of the key that the token says it is signed with."""
    try:
        kid = jws.extract_compact(_token().encode()).headers().get("kid")
    except (JoseError, ValueError) as exc:
        raise Invalid("The token is not a JWT") from exc
    return kid if isinstance(kid, str) else None


def _check_signature(jwk: Mapping[str, Any], service: str, audience: str) -> None:
    """Refuse a token that the key did not sign, for this registry and for a short time; Invalid."""
    key = _imported(jwk)
    present = int(now().timestamp())
    claims = jwt.JWTClaimsRegistry(
        present,
        leeway=LEEWAY_S,
        iss={"essential": True, "value": service},
        aud={"essential": True, "value": audience},
        exp={"essential": True},
    )
    try:
        token = jwt.decode(_token(), key, algorithms=_ALGORITHMS)
        claims.validate(token.claims)
        if token.claims["exp"] > present + LONGEST_TOKEN_S:
            raise Invalid(f"exp: expected a token that is good for {LONGEST_TOKEN_S} seconds at most")
    except (JoseError, ValueError, TypeError) as exc:
        raise Invalid("The token is not signed by the key, or not for this registry") from exc


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError as exc:
        raise Invalid("expiration: expected a Unix time in seconds") from exc
