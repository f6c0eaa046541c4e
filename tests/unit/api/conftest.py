"""The REST surface in an application of its own: SQLite in a file, storage in memory, no Redis behind the address."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from pydantic import SecretStr
from redis import Redis

from api import v1
from config.settings import Settings
from models.authentication import Superusers
from models.session import Database
from models.tables import Base
from models.vault import Vault
from registry.services import Services
from storage.memory import MemoryStorage
from tests.factories.api import Api

KEY = "a key that is long enough for a test"


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(DATA=tmp_path_factory.mktemp("data"), SECRET_KEY=SecretStr(KEY), DATABASE_SECRET_KEY=SecretStr(KEY))


@pytest.fixture(scope="session")
def services(settings: Settings) -> Iterator[Services]:
    database = Database(f"sqlite:///{Path(settings.DATA) / 'drydock.db'}", Vault([KEY]))
    Base.metadata.create_all(database.engine)
    opened = Services(
        settings=settings,
        database=database,
        storage=MemoryStorage(),
        redis=Redis(port=1),
        superusers=Superusers(frozenset({"devtable"})),
    )
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def app(services: Services) -> Flask:
    app = Flask("tests")
    app.extensions["drydock"] = services
    app.register_blueprint(v1.blueprint(services))
    return app


@pytest.fixture
def api(app: Flask, services: Services) -> Iterator[Api]:
    """A client on an empty database."""
    yield Api(app, services)
    with services.database.write() as session:
        for table in reversed(Base.metadata.sorted_tables):
            session.execute(table.delete())
