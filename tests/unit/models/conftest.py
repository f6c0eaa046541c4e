"""Transactions that are never committed, with people in them."""

from collections.abc import Iterator

import pytest

from models.access import Identity
from models.session import Database, Session
from tests.factories.world import make_world


@pytest.fixture
def session(one_database: Database) -> Iterator[Session]:
    """A transaction that is rolled back at the end."""
    with one_database.read() as session:
        yield session


@pytest.fixture
def callers(session: Session) -> dict[str, Identity]:
    """The company of tests/factories/world.py, inside the transaction."""
    return make_world(session)
