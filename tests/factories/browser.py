"""A person's browser, as far as cookies, forms and the API's CSRF tokens go."""

import re
from functools import cache
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from models.access import ANONYMOUS
from models.passwords import hash_password
from models.session import Database
from models.sessions import begin_session
from models.tables import User
from models.users import create_user, get_user
from registry.services import Services

PASSWORD = "correct horse"  # of nobody


class Browser:
    """Opens pages and calls operations; keeps cookies and the last CSRF token that was seen."""

    def __init__(self, app: Flask) -> None:
        self._client = app.test_client()
        self.csrf = ""

    def get(self, path: str) -> TestResponse:
        return self._note(self._client.get(path))

    def submit(self, path: str, **fields: str) -> TestResponse:
        """Send a form as the page shown last would, its CSRF token included unless it is given."""
        return self._note(self._client.post(path, data={"csrf_token": self.csrf} | fields))

    def call(self, method: str, path: str, json: Any = None, **headers: str) -> TestResponse:
        """Call an operation below /api/v1 as a script of ours does; `X_CSRF_Token=""` leaves the token out."""
        given = {"X-Requested-With": "XMLHttpRequest", "X-CSRF-Token": self.csrf}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        return self._note(self._client.open(f"/api/v1{path}", method=method, json=json, headers=given))

    def sign_in(self, username: str, password: str = PASSWORD) -> TestResponse:
        answer = self.call("POST", "/signin", {"username": username, "password": password})
        assert answer.status_code == 200, answer.text
        return answer

    def enter(self, services: Services, username: str) -> None:
        """Be signed in as the user, without a password."""
        with services.database.write() as session:
            cookie = begin_session(session, services.settings, get_user(session, username))
        self._client.set_cookie("drydock-session", cookie)

    def cookie(self, name: str = "drydock-session") -> str | None:
        found = self._client.get_cookie(name)
        return found.value if found else None

    def _note(self, answer: TestResponse) -> TestResponse:
        shown = re.search(r'name="csrf_token" value="([0-9a-f]+)"', answer.text)
        self.csrf = answer.headers.get("X-Next-CSRF-Token") or (shown[1] if shown else self.csrf)
        return answer


def make_person(database: Database, name: str, password: str = PASSWORD) -> User:
    """A user who can sign in."""
    hashed = _hashed(password)
    with database.write() as session:
        return create_user(session, name, email=f"{name}@example.com", password_hash=hashed, actor=ANONYMOUS)


_hashed = cache(hash_password)
"""The same each time: hashing takes longer than most tests."""
