"""A client of the REST surface that knows people by name."""

from pathlib import Path
from typing import Any, NamedTuple

from flask import Flask
from pydantic import SecretStr
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import select
from werkzeug.datastructures import Headers

from api import v1, webhooks
from buildworker.openid import open_login_services
from config.people import LOGIN_CONFIG
from config.settings import settings_with
from models.access import find_account
from models.authentication import Superusers
from models.session import Database
from models.tables import LogEntry, User
from registry.services import Services
from storage.memory import MemoryStorage
from tests.factories.accounts import ALL_SCOPES, make_token, make_user
from tests.factories.database import KEY

EVERYTHING = {"FEATURE_MAILING": True, "FEATURE_USER_INITIALIZE": True}
"""What is off unless somebody switches it on, and has operations of its own."""


def make_services(database: Database, folder: Path, **settings: Any) -> Services:
    """Services on the database, storage in memory, and no Redis behind its address; `root` is a superuser."""
    services = [key for key in settings if key.endswith(LOGIN_CONFIG)]
    return Services(
        settings=settings_with(services)(
            DATA=folder, SECRET_KEY=SecretStr(KEY), DATABASE_SECRET_KEY=SecretStr(KEY), **settings
        ),
        database=database,
        storage=MemoryStorage(),
        redis=Redis(port=1, retry=Retry(NoBackoff(), 0)),
        superusers=Superusers(frozenset({"root"})),
    )


def make_app(services: Services) -> Flask:
    """An application with this surface, and that of webhooks."""
    app = Flask("tests")
    app.extensions["drydock"] = services
    app.extensions["drydock.logins"] = open_login_services(services.settings)
    app.register_blueprint(v1.blueprint(services))
    app.register_blueprint(webhooks.blueprint())
    return app


class Answered(NamedTuple):
    """What came back; `body` is the JSON, or None."""

    status: int
    body: Any
    text: str
    headers: Headers


class Api:
    """Calls operations below /api/v1 as a named user, whom it creates at first use, or as nobody."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.services: Services = app.extensions["drydock"]
        self._client = app.test_client()
        self._tokens: dict[tuple[str, str], str] = {}

    @property
    def database(self) -> Database:
        return self.services.database

    def call(
        self,
        method: str,
        path: str,
        *,
        by: str | None = None,
        scopes: str = ALL_SCOPES,
        json: Any = None,
        headers: dict[str, str] | None = None,
        **rest: Any,
    ) -> Answered:
        given = dict(headers or {})
        if by is not None:
            given["Authorization"] = f"Bearer {self.token(by, scopes)}"
        if json is not None:
            rest["json"] = json
        answer = self._client.open(f"/api/v1{path}", method=method, headers=given, **rest)
        return Answered(answer.status_code, answer.get_json(silent=True), answer.text, answer.headers)

    def get(self, path: str, **rest: Any) -> Answered:
        return self.call("GET", path, **rest)

    def post(self, path: str, json: Any = None, **rest: Any) -> Answered:
        return self.call("POST", path, json=json, **rest)

    def put(self, path: str, json: Any = None, **rest: Any) -> Answered:
        return self.call("PUT", path, json=json, **rest)

    def delete(self, path: str, **rest: Any) -> Answered:
        return self.call("DELETE", path, **rest)

    def logged(self, *kinds: str, about: str | None = None) -> list[tuple[str, str | None, dict[str, Any]]]:
        """The entries of the action log of these kinds, or of those `about` something, oldest first.

        Kind, performer and detail; without what that tells of the caller's token.
        """
        wanted = LogEntry.kind.contains(about) if about else LogEntry.kind.in_(kinds)
        with self.database.read() as session:
            entries = session.scalars(select(LogEntry).where(wanted).order_by(LogEntry.id)).all()
        return [(entry.kind, entry.performer, _without_token(entry.detail)) for entry in entries]

    def token(self, name: str, scopes: str = ALL_SCOPES) -> str:
        """An access token of the user with these scopes, the same each time."""
        if (name, scopes) not in self._tokens:
            self._tokens[name, scopes] = self._new_token(name, scopes)
        return self._tokens[name, scopes]

    def _new_token(self, name: str, scopes: str) -> str:
        with self.database.write() as session:
            user = find_account(session, name)
            if user is None:
                user = make_user(session, name)
            assert isinstance(user, User)
            return make_token(session, user, scopes)


def _without_token(detail: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in detail.items() if not key.startswith("oauth_token")}
