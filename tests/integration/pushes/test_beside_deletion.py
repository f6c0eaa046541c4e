"""Pushes of a manifest beside its deletion, on a real PostgreSQL: a tag that is listed can be pulled."""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from models.tags import list_tag_names
from registry.errors import ManifestUnknown
from registry.repositories import existing
from tests.factories.pusher import Pusher

ROUNDS = 60


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
