"""What a database wakes."""

import pytest

from models.session import Database


@pytest.fixture
def woken(database: Database) -> list[tuple[str, str]]:
    """The (queue, job uuid) of every wake-up that was sent."""
    sent: list[tuple[str, str]] = []
    database.on_wake = lambda queue, uuid: sent.append((queue, uuid))
    return sent
