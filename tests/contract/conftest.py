"""The REST surface on a database that holds the small company of tests/factories/world.py."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event

from models.access import find_account
from models.session import Database
from models.tables import User
from tests.factories.accounts import identity_of
from tests.factories.api import EVERYTHING, Api, make_app, make_services
from tests.factories.browser import Browser, make_person
from tests.factories.pusher import Pusher
from tests.factories.world import make_world
from web import recovery, signin

Install = Callable[..., Flask]

SETTINGS = {"OUTBOUND_ALLOWED_PRIVATE_HOSTS": ["127.0.0.1"]}


@pytest.fixture(scope="session")
def app(one_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Flask:
    return make_app(make_services(one_database, tmp_path_factory.mktemp("data"), **SETTINGS))


@pytest.fixture(scope="session")
def document(one_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The Swagger document, of an installation that has switched on everything."""
    services = make_services(one_database, tmp_path_factory.mktemp("data"), **EVERYTHING)
    return make_app(services).test_client().get("/api/v1/discovery").get_json()


@pytest.fixture
def install(database: Database, tmp_path: Path) -> Install:
    """Makes an installation with other settings, its pages included."""

    def make(**settings: Any) -> Flask:
        services = make_services(database, tmp_path, **settings)
        app = make_app(services)
        for part in (recovery, signin):
            app.register_blueprint(part.blueprint(services))
        return app

    return make


@pytest.fixture
def mailing(install: Install) -> Flask:
    """An installation that sends mail."""
    return install(FEATURE_MAILING=True, FEATURE_USER_METADATA=True)


@pytest.fixture
def ann(app: Flask, database: Database) -> Browser:
    """Ann's browser, signed in; no mail is sent."""
    make_person(database, "ann")
    browser = Browser(app)
    browser.sign_in("ann")
    return browser


@pytest.fixture
def mailed_ann(mailing: Flask, database: Database) -> Browser:
    """Ann's browser, signed in where mail is sent."""
    make_person(database, "ann")
    browser = Browser(mailing)
    browser.sign_in("ann")
    return browser


@pytest.fixture
def api(app: Flask, database: Database) -> Api:
    with database.write() as session:
        make_world(session)
    return Api(app)


@pytest.fixture
def pusher(api: Api) -> Pusher:
    """Pushes to acme/app as `writer`."""
    with api.database.read() as session:
        writer = find_account(session, "writer")
    assert isinstance(writer, User)
    return Pusher(api.services, identity_of(writer))


@pytest.fixture
def statements(database: Database) -> Iterator[list[str]]:
    """What is sent to the database."""
    sent: list[str] = []

    def note(connection: object, cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    yield sent
    event.remove(database.engine, "before_cursor_execute", note)
