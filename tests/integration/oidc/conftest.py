"""Installations whose people sign in at a real OpenID Connect provider."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from buildworker.json_web import JsonWeb
from buildworker.outbound import Outbound
from models.session import Database
from tests.factories.api import make_app, make_services
from tests.factories.browser import Browser
from tests.factories.oidc import Tokens
from tests.services.oidc import Oidc
from web import external_logins, pages, signin

Install = Callable[..., Flask]


class Traveller(Browser):
    """A browser that is sent to the provider and comes back."""

    def __init__(self, app: Flask, oidc: Oidc) -> None:
        super().__init__(app)
        self._oidc = oidc

    def visit(self, name: str, *, target: str = "/") -> TestResponse:
        """Press the button on our page, type the name at the provider, and come back."""
        return self.come_back(self.get(f"/signin/keycloak?next={target}").headers["Location"], name)

    def come_back(self, url: str, name: str) -> TestResponse:
        return self.get(self.way_back(url, name))

    def way_back(self, url: str, name: str) -> str:
        """Our own path, with what the provider adds to it."""
        back = urlsplit(self._oidc.sign_in(url, name))
        assert back.netloc == "localhost:8080"
        return f"{back.path}?{back.query}"


@pytest.fixture
def install(database: Database, tmp_path: Path, oidc: Oidc) -> Install:
    """Makes an installation with other settings."""

    def make(**settings: Any) -> Flask:
        settings = {
            "OUTBOUND_ALLOWED_PRIVATE_HOSTS": ["127.0.0.1"],
            "KEYCLOAK_LOGIN_CONFIG": oidc.config,
            **settings,
        }
        services = make_services(database, tmp_path, **settings)
        app = make_app(services)
        for part in (pages, signin):
            app.register_blueprint(part.blueprint(services))
        external_logins.mount(app, services, app.extensions["drydock.logins"])
        return app

    return make


@pytest.fixture
def app(install: Install) -> Flask:
    return install()


@pytest.fixture
def browser(app: Flask, oidc: Oidc) -> Traveller:
    return Traveller(app, oidc)


@pytest.fixture
def web() -> JsonWeb:
    return JsonWeb(Outbound(["127.0.0.1"]))


@pytest.fixture
def tokens(oidc: Oidc, web: JsonWeb) -> Tokens:
    return Tokens(oidc, web)
