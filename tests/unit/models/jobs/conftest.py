"""A database of one's own in which transactions are committed, as processes that share jobs do."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from models.session import Database
from models.tables import Base
from models.vault import Vault


@pytest.fixture
def woken() -> list[tuple[str, str]]:
    """The (queue, job uuid) of every wake-up that was sent."""
    return []


@pytest.fixture
def database(tmp_path: Path, woken: list[tuple[str, str]]) -> Iterator[Database]:
    database = Database(
        f"sqlite:///{tmp_path / 'drydock.db'}",
        Vault(["a key that is long enough for a test"]),
        on_wake=lambda queue, uuid: woken.append((queue, uuid)),
    )
    Base.metadata.create_all(database.engine)
    yield database
    database.dispose()
