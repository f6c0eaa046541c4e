"""An application of acme and the person in front of the browser it sends: the steps of OAuth's flows."""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from flask import Flask
from werkzeug.test import TestResponse

from models import applications
from models.access import get_organization
from models.applications import clear_secret, find_application
from models.tables import OAuthApplication
from models.users import get_user
from registry.services import Services
from tests.factories.accounts import identity_of
from tests.factories.browser import Browser

CALLBACK = "https://app.example.com/callback?from=drydock"
VERIFIER = "a-verifier-that-is-long-enough-to-be-one-0123456789"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
PKCE = {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}


class Flow:
    """One application, and one person's browser."""

    def __init__(self, app: Flask, services: Services, *, redirect_uri: str = CALLBACK, **described: Any) -> None:
        self.services = services
        self.browser = Browser(app)
        self._programs = app.test_client()
        with services.database.write() as session:
            owner = get_user(session, "owner")
            made = applications.create_application(
                session,
                get_organization(session, "acme"),
                "Harbour pilot",
                redirect_uri=redirect_uri,
                actor=identity_of(owner),
                **described,
            )
            self.client_id, self.secret = made.client_id, clear_secret(session, made)
        self.redirect_uri = redirect_uri

    def application(self) -> OAuthApplication:
        with self.services.database.read() as session:
            found = find_application(session, self.client_id)
            assert found
            return found

    def path(self, **changed: Any) -> str:
        """Where the application sends the browser; None leaves a parameter out."""
        asked: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": "repo:read user:read",
            "state": "a state & more",
        }
        given = {name: value for name, value in (asked | changed).items() if value is not None}
        return f"/oauth/authorize?{urlencode(given)}"

    def ask(self, **changed: Any) -> TestResponse:
        return self.browser.get(self.path(**changed))

    def consent(self, *, to: str = "/oauth/authorizeapp", **changed: Any) -> TestResponse:
        """See the page that asks, and send its form."""
        shown = self.ask(**changed)
        assert shown.status_code == 200, shown.text
        return self.browser.submit(to, **self.fields(**changed))

    def fields(self, **changed: Any) -> dict[str, str]:
        query = parse_qs(urlsplit(self.path(**changed)).query, keep_blank_values=True)
        return {name: values[0] for name, values in query.items()}

    def code(self, **changed: Any) -> str:
        """A code, after consent."""
        return answered(self.consent(**changed))["code"]

    def exchange(
        self,
        code: str,
        *,
        basic: tuple[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        **changed: Any,
    ) -> TestResponse:
        """Exchange the code as the application does, with the secret in the form unless `basic` has it."""
        asked: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
        }
        if basic is None:
            asked |= {"client_id": self.client_id, "client_secret": self.secret}
        form = {name: value for name, value in (asked | changed).items() if value is not None}
        return self._programs.post("/oauth/access_token", data=form, auth=basic, headers=headers)

    def revoke(self, token: str, **changed: Any) -> TestResponse:
        asked = {"token": token, "client_id": self.client_id, "client_secret": self.secret} | changed
        return self._programs.post("/oauth/revoke", data={name: v for name, v in asked.items() if v is not None})

    def call(self, token: str, path: str = "/user/") -> TestResponse:
        return self._programs.get(f"/api/v1{path}", headers={"Authorization": f"Bearer {token}"})


def answered(response: TestResponse, *, fragment: bool = False) -> dict[str, str]:
    """The parameters that the application gets, which has to be at its own address."""
    assert response.status_code == 302, response.text
    target = urlsplit(response.headers["Location"])
    assert f"{target.scheme}://{target.netloc}{target.path}" == "https://app.example.com/callback"
    assert target.query.startswith("from=drydock")
    given = parse_qs(target.fragment if fragment else target.query, keep_blank_values=True)
    return {name: values[0] for name, values in given.items() if name != "from"}
