"""Registry tokens: JWTs that say who the caller is and what was granted, verified without the database.

Format: the distribution project's token authentication specification (JWT), plus our own `ctx` claim with the
identity behind the token.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from models.access import Identity
from models.errors import Unauthenticated
from models.service_keys import create_service_key, list_service_keys, rotate_service_key
from models.session import Database

ISSUER = "drydock"
ALGORITHM = "Ed25519"  # RFC 9864
LEEWAY_S = 30
KEYS_FRESH_S = 60
CACHE_SIZE = 10_000
LONGEST_CACHED = 2048
"""Characters of a token that is remembered: larger ones, with dozens of scopes, would fill the memory."""


@dataclass(frozen=True)
class Grant:
    """What a token allows: for each repository asked for, the actions granted (perhaps none); `denied`: not granted."""

    identity: Identity
    access: Mapping[str, frozenset[str]] = field(default_factory=dict)
    catalog: bool = False
    expires_at: float = 0.0
    denied: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def allows(self, repository: str, action: str) -> bool:
        return action in self.access.get(repository, frozenset())

    def was_denied(self, repository: str, action: str) -> bool:
        """Whether a signed-in caller already asked for this action there: asking again will not help."""
        return action in self.denied.get(repository, frozenset()) and not self.identity.is_anonymous


class Tokens:
    """Issues and verifies the tokens of one installation. Thread-safe."""

    def __init__(self, database: Database, *, audience: str, lifetime_s: int) -> None:
        self._database = database
        self._audience = audience
        self.lifetime_s = lifetime_s
        self._keys: dict[str, OKPKey] = {}
        self._signing_kid = ""
        self._loaded_at = float("-inf")
        self._loading = threading.Lock()
        self._verified: dict[str, Grant] = {}

    def issue(self, grant: Grant, *, now: float | None = None) -> str:
        """The signed token for a grant, valid for `lifetime_s` seconds."""
        self._load_keys(since=time.monotonic() - KEYS_FRESH_S)
        issued = int(now if now is not None else time.time())
        claims = {
            "iss": ISSUER,
            "aud": self._audience,
            "sub": grant.identity.name or "(anonymous)",
            "iat": issued,
            "nbf": issued,
            "exp": issued + self.lifetime_s,
            "access": _dump_access(grant),
            "denied": {name: sorted(actions) for name, actions in grant.denied.items() if actions},
            "ctx": _dump_identity(grant.identity),
        }
        header = {"alg": ALGORITHM, "kid": self._signing_kid, "typ": "JWT"}
        return jwt.encode(header, claims, self._keys[self._signing_kid], algorithms=[ALGORITHM])

    def verify(self, token: str) -> Grant:
        """The grant in a token of ours that is still valid; Unauthenticated tells why it is not."""
        grant = self._verified.get(token)
        if grant is None:
            grant = self._check(token)
            if len(self._verified) >= CACHE_SIZE:
                self._verified.clear()  # rare, and cheaper than keeping an order on every request
            if len(token) <= LONGEST_CACHED:
                self._verified[token] = grant
        if grant.expires_at + LEEWAY_S < time.time():
            raise Unauthenticated("the token has expired")
        return grant

    def verified(self, token: str) -> Grant | None:
        """The grant in a token that was verified here before and is still valid, found without any waiting."""
        grant = self._verified.get(token)
        return grant if grant is not None and grant.expires_at + LEEWAY_S >= time.time() else None

    def _check(self, token: str) -> Grant:
        try:
            decoded = jwt.decode(token, self._key_for, algorithms=[ALGORITHM])
        except (JoseError, ValueError, KeyError, TypeError) as exc:
            raise Unauthenticated("the token was not issued by this registry, or by a key it no longer has") from exc
        claims = decoded.claims
        if claims.get("iss") != ISSUER or claims.get("aud") != self._audience:
            raise Unauthenticated("the token was issued for another registry")
        if claims["nbf"] > time.time() + LEEWAY_S:
            raise Unauthenticated("the token is not valid yet")
        return _load_grant(claims)

    def _key_for(self, obj: Any) -> OKPKey:
        kid = obj.headers().get("kid", "")
        if kid not in self._keys:
            self._load_keys(since=time.monotonic())  # another process may have made the key a moment ago
        return self._keys[kid]

    def _load_keys(self, *, since: float) -> None:
        """Read the keys, unless they were read at `since` or later: whoever waited for another's look takes that."""
        if self._loaded_at >= since:
            return
        with self._loading:  # one look at a time, so names that somebody invented do not become a load
            if self._loaded_at >= since:
                return
            began = time.monotonic()
            self._keys, self._signing_kid = self._read_keys()
            self._loaded_at = began

    def _read_keys(self) -> tuple[dict[str, OKPKey], str]:
        with self._database.read() as session:
            rows = list_service_keys(session)
        if not rows or rows[0].expires_at is not None:
            with self._database.write() as session:
                create_service_key(session)
                rows = list_service_keys(session)
        vault = self._database.vault
        keys = {row.kid: OKPKey.import_key(vault.decrypt(row.encrypted_private_key)) for row in rows}
        return keys, rows[0].kid


def rotate_key(database: Database, *, lifetime_s: int) -> str:
    """Let a new key sign, whose id is the answer; the former one verifies until the last token of it has expired.

    Which a process may sign that has not looked for KEYS_FRESH_S seconds.
    """
    with database.write() as session:
        return rotate_service_key(session, keep_s=lifetime_s + KEYS_FRESH_S + LEEWAY_S).kid


def _dump_access(grant: Grant) -> list[dict[str, Any]]:
    access: list[dict[str, Any]] = [
        {"type": "repository", "name": name, "actions": sorted(actions)} for name, actions in grant.access.items()
    ]
    if grant.catalog:
        access.append({"type": "registry", "name": "catalog", "actions": ["*"]})
    return access


def _dump_identity(identity: Identity) -> dict[str, Any]:
    return {
        "kind": identity.kind,
        "id": identity.account_id,
        "name": identity.name,
        "scopes": None if identity.scopes is None else sorted(identity.scopes),
        "full": identity.full_access,
        "repository": identity.repository_id,
        "role": identity.repository_role,
        "log": dict(identity.log_detail),
    }


def _load_grant(claims: Mapping[str, Any]) -> Grant:
    context = claims["ctx"]
    identity = Identity(
        kind=context["kind"],
        account_id=context["id"],
        name=context["name"],
        scopes=None if context["scopes"] is None else frozenset(context["scopes"]),
        full_access=context["full"],
        repository_id=context["repository"],
        repository_role=context["role"],
        log_detail=tuple(context.get("log", {}).items()),  # the version before told none
    )
    repositories = {e["name"]: frozenset(e["actions"]) for e in claims["access"] if e["type"] == "repository"}
    catalog = any(entry["type"] == "registry" for entry in claims["access"])
    # The version before told none: its tokens are answered by a challenge, and their holder asks once more.
    denied = {name: frozenset(actions) for name, actions in claims.get("denied", {}).items()}
    return Grant(identity, repositories, catalog, float(claims["exp"]), denied)
