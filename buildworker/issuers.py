"""OpenID Connect issuers: what they publish of themselves, and whether a token is one of theirs.

Nothing is known of an issuer but its address. What it publishes is kept for a while; its keys are asked for again when
a token names one that is not among them, so an issuer may change its keys at any time.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from buildworker.json_web import JsonWeb
from models.errors import Unauthenticated, Upstream

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519"]
"""What tokens may be signed with: public keys only."""
KEPT_S = 3600.0
"""For how long what an issuer published is taken as it is."""
ASKED_AGAIN_AFTER_S = 30.0
"""Shortest time between two looks at an issuer's keys: tokens with invented key names must not become a load on it."""
MOST_ISSUERS = 100
MOST_KEYS = 100
LEEWAY_S = 60
LONGEST_TOKEN = 16 * 1024
LONGEST_SUBJECT = 255
PublicKey = RSAKey | ECKey | OKPKey
Claims = Mapping[str, Any]


@dataclass
class _Known:
    """What is kept of one issuer. The lock lets one thread at a time ask it."""

    metadata: Mapping[str, Any] = field(default_factory=dict)
    metadata_at: float | None = None
    keys: list[PublicKey] = field(default_factory=list)
    keys_at: float | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class Issuers:
    """The issuers that one process has met lately."""

    def __init__(self, web: JsonWeb, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._web = web
        self._clock = clock
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._lock = threading.Lock()

    def metadata(self, url: str, *, issuer: str | None = None) -> Mapping[str, Any]:
        """What the issuer at `url` says of itself (OpenID Connect Discovery). Upstream; Invalid: the guard's refusal.

        `issuer`: what it has to call itself; if None, its address.
        """
        known = self._of(url)
        with known.lock:
            if self._is_old(known.metadata_at, KEPT_S):
                known.metadata = self._discover(url, issuer or url)
                known.metadata_at = self._clock()
            return known.metadata

    def verify(
        self,
        url: str,
        token: str,
        *,
        audience: str | None,
        issuer: str | None = None,
        party: str | None = None,
        nonce: str | None = None,
    ) -> Claims:
        """The claims of a token that the issuer at `url` made for the audience and that is valid now.

        `audience`: None where any will do, which is for who knows the token's subject. `party`: whom it was issued to,
        and `nonce`: what it has to repeat, if not None. Unauthenticated tells what is wrong with it; Upstream, Invalid.
        """
        if len(token) > LONGEST_TOKEN:
            raise Unauthenticated("The token is too long")
        metadata = self.metadata(url, issuer=issuer)
        try:
            claims = jwt.decode(token, lambda found: self._key(url, found.headers()), algorithms=ALGORITHMS).claims
        except (JoseError, ValueError, TypeError) as exc:
            raise Unauthenticated("The token was not signed by a key of its issuer") from exc
        if claims.get("iss") != metadata["issuer"]:
            raise Unauthenticated("The token was made by another issuer")
        _check_audience(claims, audience, party)
        _check_times(claims)
        if nonce is not None and claims.get("nonce") != nonce:
            raise Unauthenticated("The token does not belong to this sign-in")
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 1 <= len(subject) <= LONGEST_SUBJECT or not subject.isprintable():
            raise Unauthenticated("The token does not say whom it is about")
        return claims

    def _of(self, url: str) -> _Known:
        key = url.rstrip("/")
        with self._lock:
            known = self._known.setdefault(key, _Known())
            self._known.move_to_end(key)
            while len(self._known) > MOST_ISSUERS:
                self._known.popitem(last=False)
            return known

    def _is_old(self, since: float | None, most_s: float) -> bool:
        return since is None or self._clock() - since >= most_s

    def _discover(self, url: str, issuer: str) -> Mapping[str, Any]:
        subject = "the login service"
        address = f"{url.rstrip('/')}/.well-known/openid-configuration"
        found = self._web.get(address, subject=subject)
        if str(found.get("issuer", "")).rstrip("/") != issuer.rstrip("/"):
            raise Upstream(f"{subject}: {address} describes another issuer than {issuer}")
        scheme = urlsplit(url).scheme
        for name in ("jwks_uri", "authorization_endpoint", "token_endpoint", "userinfo_endpoint"):
            given = found.get(name)
            if name == "jwks_uri" or given is not None:
                _check_endpoint(given, name, scheme, subject)
        return found

    def _key(self, url: str, header: Mapping[str, Any]) -> PublicKey:
        """The key that a token's header names; ValueError if the issuer has none such."""
        known = self._of(url)
        with known.lock:
            key = _choose(known.keys, header)
            stale = self._is_old(known.keys_at, KEPT_S)
            if stale or (key is None and self._is_old(known.keys_at, ASKED_AGAIN_AFTER_S)):
                known.keys = _read_keys(self._web.get(known.metadata["jwks_uri"], subject="the login service"))
                known.keys_at = self._clock()
                key = _choose(known.keys, header)
        if key is None:
            raise ValueError("the issuer has no such key")
        return key


def _check_endpoint(url: object, name: str, scheme: str, subject: str) -> None:
    """Refuse what is no address, and what is less protected than the issuer's own."""
    found = urlsplit(url) if isinstance(url, str) else None
    if found is None or found.scheme not in {"https", scheme} or not found.hostname:
        raise Upstream(f"{subject}: its {name} is not an address that begins with https://")


def _read_keys(published: Mapping[str, Any]) -> list[PublicKey]:
    keys = []
    listed = published.get("keys")
    for given in listed[:MOST_KEYS] if isinstance(listed, list) else []:
        if not isinstance(given, dict) or given.get("use", "sig") != "sig":
            continue
        try:
            (key,) = KeySet.import_key_set({"keys": [given]}).keys
        except (JoseError, ValueError, TypeError, KeyError):
            continue  # of a kind that is not known here; others may be
        if isinstance(key, RSAKey | ECKey | OKPKey):
            keys.append(key)
    return keys


_TYPES = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}


def _choose(keys: list[PublicKey], header: Mapping[str, Any]) -> PublicKey | None:
    """The key of that name; without a name, the only one that fits the algorithm."""
    wanted = _TYPES.get(str(header.get("alg"))[:2])
    fitting = [key for key in keys if key.key_type == wanted]
    if "kid" in header:
        return next((key for key in fitting if key.kid == header["kid"]), None)
    return fitting[0] if len(fitting) == 1 else None


def _check_audience(claims: Claims, audience: str | None, party: str | None) -> None:
    """Refuse (Unauthenticated) a token that is not meant for us."""
    meant = claims.get("aud")
    audiences = meant if isinstance(meant, list) else [meant]
    if audience is not None and audience not in audiences:
        raise Unauthenticated("The token was made for another audience")
    issued_to = claims.get("azp", party if len(audiences) == 1 else None)
    if party is not None and issued_to != party:
        raise Unauthenticated("The token was issued to another party")


def _check_times(claims: Claims) -> None:
    present = time.time()
    times = {name: claims.get(name) for name in ("exp", "iat", "nbf")}
    if not all(value is None or isinstance(value, int | float) for value in times.values()) or times["exp"] is None:
        raise Unauthenticated("The token does not say how long it is valid")
    if times["exp"] + LEEWAY_S <= present:
        raise Unauthenticated("The token has expired")
    if max(times["iat"] or 0, times["nbf"] or 0) - LEEWAY_S > present:
        raise Unauthenticated("The token is not valid yet")
