"""Empty databases of both kinds: in a file, and on a real server."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models.session import Database
from models.vault import Vault


@pytest.fixture(params=["sqlite", "postgresql"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty database is."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    url: str = request.getfixturevalue("fresh_postgres_url")
    return url


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
