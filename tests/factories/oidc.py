"""Tokens of a real OpenID Connect provider, without a browser."""

from urllib.parse import parse_qsl, urlsplit

from buildworker.issuers import Issuers
from buildworker.json_web import JsonWeb
from buildworker.openid import Provider, open_flow
from models.vault import Vault
from tests.factories.database import KEY
from tests.services.oidc import Oidc

BACK = "http://localhost:8080/oauth2/keycloak/callback"


class Tokens:
    """Signs somebody in and keeps what the provider said, which has to be verified in the tests."""

    def __init__(self, oidc: Oidc, web: JsonWeb) -> None:
        self._oidc, self._web = oidc, web

    def of(self, name: str) -> str:
        provider = Provider("keycloak", self._oidc.service, Issuers(self._web), self._web)
        vault = Vault([KEY])
        begun = provider.begin(vault, BACK, "login", target="/")
        answer = dict(parse_qsl(urlsplit(self._oidc.sign_in(begun.url, name)).query))
        flow = open_flow(vault, begun.sealed, service="keycloak", aim="login", state=answer["state"])
        return str(provider._redeem(flow, BACK, answer["code"])["id_token"])
