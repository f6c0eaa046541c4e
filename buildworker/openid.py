"""Signing in at an OpenID Connect provider: sending the browser there, and reading what it comes back with.

What has to be remembered in between (state, nonce, PKCE's verifier, where to go on) travels sealed in a cookie of the
browser, so that the answer counts in the browser that asked, once and for a few minutes.
"""

import hmac
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from buildworker.issuers import Issuers
from buildworker.json_web import JsonWeb
from buildworker.outbound import Outbound
from config.people import LoginService
from config.settings import Settings
from models.errors import Forbidden, Invalid, Unauthenticated, Upstream
from models.external_logins import Person
from models.vault import Undecryptable, Vault

Aim = Literal["login", "attach", "cli"]
LIFE_S = 600
LONGEST_SEALED = 8192
_KIND = "login flow"
_LOST = "This sign-in was begun in another browser, or too long ago. Please try again."


@dataclass(frozen=True)
class Flow:
    """A sign-in that is under way. `account_id`: for "attach", the user who wants it."""

    service: str
    aim: Aim
    state: str
    nonce: str
    verifier: str
    target: str
    account_id: int | None
    until: float


@dataclass(frozen=True)
class Begun:
    """Where to send the browser, and what its cookie `name` has to hold meanwhile."""

    url: str
    cookie: str
    sealed: str


class Provider:
    """One configured service. Upstream: it does not work as it should."""

    def __init__(self, name: str, config: LoginService, issuers: Issuers, web: JsonWeb) -> None:
        self.name = name
        self.config = config
        self._issuers = issuers
        self._web = web

    @property
    def title(self) -> str:
        return self.config.SERVICE_NAME or self.name.title()

    def begin(self, vault: Vault, redirect_uri: str, aim: Aim, *, target: str, account_id: int | None = None) -> Begun:
        """Where a browser signs in. Afterwards it goes on to our path `target`."""
        endpoint = self._endpoint("authorization_endpoint")
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        flow = Flow(self.name, aim, state, nonce, verifier, target, account_id, time.time() + LIFE_S)
        url = prepare_grant_uri(
            endpoint,
            self.config.CLIENT_ID,
            "code",
            redirect_uri=redirect_uri,
            scope=" ".join(dict.fromkeys(("openid", *self.config.LOGIN_SCOPES))),
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        return Begun(url, cookie_name(state), vault.encrypt(json.dumps({"kind": _KIND, **asdict(flow)})))

    def finish(self, flow: Flow, redirect_uri: str, answer: Mapping[str, str]) -> Person:
        """Who signed in, from what the browser came back with. Forbidden: the person or the provider said no."""
        self._check_answer(answer)
        tokens = self._redeem(flow, redirect_uri, answer["code"])
        claims = dict(
            self._issuers.verify(
                self.config.OIDC_SERVER,
                _text(tokens, "id_token"),
                audience=self.config.CLIENT_ID,
                issuer=self.config.OIDC_ISSUER,
                party=self.config.CLIENT_ID,
                nonce=flow.nonce,
            )
        )
        if not self._wanted() <= claims.keys():
            claims = {**self._userinfo(_text(tokens, "access_token"), claims["sub"]), **claims}
        return self._person(claims)

    def _check_answer(self, answer: Mapping[str, str]) -> None:
        if "error" in answer:
            told = answer.get("error_description") or answer["error"]
            raise Forbidden(f"{self.title} did not sign you in: {told[:300]}")
        metadata = self._metadata()
        named = answer.get("iss")
        if named is None and not metadata.get("authorization_response_iss_parameter_supported"):
            named = metadata["issuer"]
        if named != metadata["issuer"]:
            raise Invalid("The answer came from another service than was asked")
        if not answer.get("code"):
            raise Invalid(f"{self.title} sent no code along")

    def _redeem(self, flow: Flow, redirect_uri: str, code: str) -> Mapping[str, Any]:
        form = prepare_token_request(
            "authorization_code", code=code, redirect_uri=redirect_uri, code_verifier=flow.verifier
        )
        secret = self.config.CLIENT_SECRET.get_secret_value() if self.config.CLIENT_SECRET else ""
        auth = ClientAuth(self.config.CLIENT_ID, secret, self._auth_method())
        url, headers, form = auth.prepare("POST", self._endpoint("token_endpoint"), {}, form)
        return self._web.post(url, form, subject=self.title, headers=headers)

    def _auth_method(self) -> str:
        if self.config.CLIENT_SECRET is None:
            return "none"
        supported = self._metadata().get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        return "client_secret_basic" if "client_secret_basic" in supported else "client_secret_post"

    def _userinfo(self, token: str, subject: str) -> Mapping[str, Any]:
        if "userinfo_endpoint" not in self._metadata():
            return {}
        headers = {"Authorization": f"Bearer {token}"}
        found = self._web.get(self._endpoint("userinfo_endpoint"), subject=self.title, headers=headers)
        if found.get("sub") != subject:
            raise Unauthenticated(f"{self.title} told about somebody else than who signed in")
        return found

    def _wanted(self) -> set[str]:
        address = {self.config.VERIFIED_EMAIL_CLAIM_NAME} if self.config.VERIFIED_EMAIL_CLAIM_NAME else {"email"}
        return {self.config.PREFERRED_USERNAME_CLAIM_NAME, *address}

    def _person(self, claims: Mapping[str, Any]) -> Person:
        trusted = self.config.VERIFIED_EMAIL_CLAIM_NAME
        address = _printable(claims.get(trusted or "email"))
        verified = trusted is not None or claims.get("email_verified") is True
        return Person(
            subject=claims["sub"],
            username=_printable(claims.get(self.config.PREFERRED_USERNAME_CLAIM_NAME)),
            email=address,
            email_verified=verified and address is not None,
        )

    def _metadata(self) -> Mapping[str, Any]:
        return self._issuers.metadata(self.config.OIDC_SERVER, issuer=self.config.OIDC_ISSUER)

    def _endpoint(self, name: str) -> str:
        endpoint = self._metadata().get(name)
        if not isinstance(endpoint, str):
            raise Upstream(f"{self.title} has no {name}")
        return endpoint


class LoginServices(NamedTuple):
    """What one process knows of other services' people: the configured providers, and all issuers it has met."""

    issuers: Issuers
    providers: Mapping[str, Provider]

    def get(self, name: str) -> Provider:
        """The provider of that name; Invalid if there is none, as in Quay."""
        found = self.providers.get(name)
        if found is None:
            raise Invalid(f"There is no login service {name[:64]!r}")
        return found


def open_login_services(settings: Settings) -> LoginServices:
    """Those of the settings. Nothing is asked of them yet."""
    web = JsonWeb(Outbound(settings.OUTBOUND_ALLOWED_PRIVATE_HOSTS))
    issuers = Issuers(web)
    found = {name: Provider(name, config, issuers, web) for name, config in settings.login_services.items()}
    return LoginServices(issuers, found)


def redirect_uri(settings: Settings, service: str, aim: Aim) -> str:
    """Where a provider sends browsers back to: Quay's paths, which may be registered there already."""
    return f"{settings.url}/oauth2/{service}/callback" + ("" if aim == "login" else f"/{aim}")


def cookie_name(state: str) -> str:
    """The cookie of the sign-in with this state; each has one, for a person may begin several."""
    return "drydock-login-" + "".join(character for character in state[:12] if character.isalnum())


def open_flow(vault: Vault, sealed: str | None, *, service: str, aim: Aim, state: str) -> Flow:
    """The sign-in to which an answer belongs; Invalid if this browser has begun none such, or too long ago."""
    flow = _unseal(vault, sealed or "")
    if flow is None or (flow.service, flow.aim) != (service, aim) or flow.until <= time.time():
        raise Invalid(_LOST)
    if not hmac.compare_digest(flow.state.encode(), state.encode()):
        raise Invalid(_LOST)
    return flow


def _unseal(vault: Vault, sealed: str) -> Flow | None:
    try:
        content = json.loads(vault.decrypt(sealed)) if 0 < len(sealed) <= LONGEST_SEALED else None
    except (Undecryptable, ValueError):
        return None
    if not isinstance(content, dict) or content.pop("kind", None) != _KIND:
        return None
    return Flow(**content)


def _printable(value: object) -> str | None:
    return value if isinstance(value, str) and value.isprintable() and value else None


def _text(tokens: Mapping[str, Any], name: str) -> str:
    value = tokens.get(name)
    if not isinstance(value, str):
        raise Upstream(f"The login service sent no {name}")
    return value
