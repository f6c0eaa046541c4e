"""Pushes to a real PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from models.access import Identity
from models.migrate import upgrade
from models.session import Database
from models.tables import User
from models.vault import Vault
from tests.factories.api import make_services
from tests.factories.database import KEY
from tests.factories.pusher import Pusher


@pytest.fixture
def pusher(fresh_postgres_url: str, tmp_path: Path) -> Iterator[Pusher]:
    """Pushes to ann/app."""
    database = Database(fresh_postgres_url, Vault([KEY]))
    upgrade(database)
    with database.write() as session:
        ann = User(name="ann")
        session.add(ann)
        session.flush()
        actor = Identity(kind="user", account_id=ann.id, name="ann")
    yield Pusher(make_services(database, tmp_path), actor, "ann/app")
    database.dispose()
