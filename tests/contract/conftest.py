"""The REST surface on a database that holds the small company of tests/factories/world.py."""

from typing import Any

import pytest
from flask import Flask

from models.access import find_account
from models.session import Database
from models.tables import User
from tests.factories.accounts import identity_of
from tests.factories.api import Api, make_app, make_services
from tests.factories.pusher import Pusher
from tests.factories.world import make_world

SETTINGS = {"OUTBOUND_ALLOWED_PRIVATE_HOSTS": ["127.0.0.1"]}


@pytest.fixture(scope="session")
def app(one_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Flask:
    return make_app(make_services(one_database, tmp_path_factory.mktemp("data"), **SETTINGS))


@pytest.fixture(scope="session")
def document(app: Flask) -> Any:
    """The Swagger document."""
    return app.test_client().get("/api/v1/discovery").get_json()


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
