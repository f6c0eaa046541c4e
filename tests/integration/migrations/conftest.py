"""Empty databases of both kinds, on a real server and in a file."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models.session import Database
from models.vault import Vault
from tests.services.postgres import Postgres, postgres


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty database is."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    server: Postgres = request.getfixturevalue("server")
    return server.new_database()


@pytest.fixture
def connect(uri: str) -> Iterator[Callable[[], Database]]:
    """Opens the test's database, as another process would."""
    opened = []

    def connect() -> Database:
        opened.append(Database(uri, Vault(["a key only for tests, never elsewhere"])))
        return opened[-1]

    yield connect
    for database in opened:
        database.dispose()


@pytest.fixture
def database(connect: Callable[[], Database]) -> Database:
    return connect()
