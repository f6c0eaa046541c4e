"""Pushes of a manifest beside its deletion, on a real PostgreSQL: a tag that is listed can be pulled."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from models.access import Identity
from models.migrate import upgrade
from models.session import Database
from models.tables import User
from models.tags import list_tag_names
from models.vault import Vault
from registry.errors import ManifestUnknown
from registry.repositories import existing
from tests.factories.api import make_services
from tests.factories.database import KEY
from tests.factories.pusher import Pusher

ROUNDS = 60


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


def test_a_tag_that_is_listed_can_be_pulled(pusher: Pusher) -> None:
    digest = pusher.image("v0", b"one")

    def remove(_: int) -> None:
        try:
            pusher.remove(digest)
        except ManifestUnknown:
            return  # it is deleted already

    with ThreadPoolExecutor(4) as pool:
        for number in range(ROUNDS):
            begun: list[Future[Any]] = [pool.submit(pusher.image, f"v{number}", b"one") for _ in range(2)]
            begun += [pool.submit(remove, number) for _ in range(2)]
            for done in begun:
                done.result()
            with pusher.services.database.read() as session:
                names = list_tag_names(session, existing(session, pusher.name).id, limit=9)
            for name in names:
                pusher.pull(name)
