"""A database in a file: an empty one for each test that commits, and one for all of those that never do."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from models.access import Identity
from models.session import Database, Session
from models.tables import Base
from models.vault import Vault
from tests.factories.world import make_world


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An empty database of this test's own."""
    database = _create(tmp_path)
    yield database
    database.dispose()


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """An empty database that nobody commits anything to."""
    database = _create(tmp_path_factory.mktemp("data"))
    yield database
    database.dispose()


@pytest.fixture
def session(empty_database: Database) -> Iterator[Session]:
    """A transaction that is rolled back at the end."""
    with empty_database.read() as session:
        yield session


@pytest.fixture
def callers(session: Session) -> dict[str, Identity]:
    """The company of tests/factories/world.py, inside the transaction."""
    return make_world(session)


def _create(folder: Path) -> Database:
    database = Database(f"sqlite:///{folder / 'drydock.db'}", Vault(["a key"]))
    Base.metadata.create_all(database.engine)
    return database
