"""Bytes go after their rows, as often as it takes; what crashes left is found in time."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from models.tables import Blob, Garbage, Manifest, RepositoryBlob, Round
from models.tables.base import now
from registry.collection.run import Collected
from registry.collection.terms import Terms
from registry.gc import collect
from registry.paths import new_blob_path
from storage.driver import StorageError
from storage.memory import MemoryStorage
from tests.factories.pusher import Pusher, age, stored_paths

TERMS = Terms(rest_s=0, slice_size=3)
AGED = Terms(rest_s=0, slice_size=3, upload_life=timedelta(seconds=-60))  # what was made this moment counts as old


class UnreliableStorage(MemoryStorage):
    """Deletes nothing while it is `down`, and never the `stuck` paths."""

    def __init__(self) -> None:
        super().__init__()
        self.down = False
        self.stuck: set[str] = set()

    def delete(self, paths: Iterable[str]) -> None:
        wanted = list(paths)
        if self.down or self.stuck & set(wanted):
            raise StorageError("not today")
        super().delete(wanted)


@pytest.fixture
def storage() -> UnreliableStorage:
    return UnreliableStorage()


@pytest.fixture
def unreliable(pusher: Pusher, storage: UnreliableStorage) -> Pusher:
    return replace(pusher, services=replace(pusher.services, storage=storage))


def gc(pusher: Pusher, terms: Terms = TERMS, *, thorough: bool = False) -> Collected:
    return collect(pusher.services.database, pusher.services.storage, terms, thorough=thorough)


def garbage(pusher: Pusher) -> int:
    with pusher.services.database.read() as session:
        return session.scalar(select(func.count()).select_from(Garbage)) or 0


def push_and_forget(pusher: Pusher, number: int) -> None:
    for index in range(number):
        pusher.blob(f"blob {index}".encode())
    age(pusher.services, timedelta(hours=2))


def test_bytes_that_could_not_be_deleted_are_deleted_another_time(
    unreliable: Pusher, storage: UnreliableStorage
) -> None:
    push_and_forget(unreliable, 12)
    storage.down = True
    with pytest.raises(StorageError):
        gc(unreliable)
    assert garbage(unreliable) == 12
    assert len(stored_paths(unreliable.services)) == 12

    storage.down = False
    with unreliable.services.database.write() as session:
        session.execute(update(Garbage).values(due_at=Garbage.since))
    assert gc(unreliable).objects == 12
    assert garbage(unreliable) == 0
    assert stored_paths(unreliable.services) == set()


def test_one_object_that_cannot_be_deleted_holds_up_no_other(unreliable: Pusher, storage: UnreliableStorage) -> None:
    push_and_forget(unreliable, 5)
    storage.stuck = {next(iter(stored_paths(unreliable.services)))}
    assert gc(unreliable).objects == 4
    assert stored_paths(unreliable.services) == storage.stuck
    assert gc(unreliable).objects == 0  # it waits until it is due again
    assert garbage(unreliable) == 1


def test_objects_that_no_row_knows_are_found_once_they_are_old(pusher: Pusher) -> None:
    digest = pusher.image("v1", b"one")
    storage = pusher.services.storage
    known = stored_paths(pusher.services)
    storage.write(new_blob_path(), b"made durable before a crash")
    storage.append(storage.begin(new_blob_path()), [b"received before a crash"])
    storage.write("logs/of a build", b"not a blob")

    assert gc(pusher, thorough=True).orphans == 0
    assert gc(pusher, AGED, thorough=True).orphans == 2
    assert stored_paths(pusher.services) == known | {"logs/of a build"}
    pusher.pull(digest)


def test_bytes_of_an_upload_under_way_are_known(pusher: Pusher) -> None:
    path = new_blob_path()
    pusher.image("v1", b"one")
    pusher.services.storage.write(path, b"committed, but the row is not written yet")
    with pusher.services.database.write() as session:
        session.execute(update(Blob).where(Blob.size == 3).values(path=path))
    assert gc(pusher, AGED, thorough=True).orphans == 1  # the bytes that the row had named before
    assert path in stored_paths(pusher.services)


def test_lost_marks_are_found(pusher: Pusher) -> None:
    pusher.image(None, b"untagged")
    pusher.blob(b"unneeded")
    kept = pusher.image("v1", b"one")
    age(pusher.services, timedelta(hours=2))
    with pusher.services.database.write() as session:
        session.execute(update(Manifest).values(settled=True))
        session.execute(update(RepositoryBlob).values(settled=True))
    gone = gc(pusher, thorough=True)
    assert (gone.manifests, gone.links, gone.blobs) == (1, 2, 2)
    assert pusher.has(kept)


def test_a_blob_that_lost_its_link_unseen_is_found(pusher: Pusher) -> None:
    pusher.blob(b"alone")
    with pusher.services.database.write() as session:
        session.query(RepositoryBlob).delete()
    assert gc(pusher, thorough=True).blobs == 1


def test_rounds_take_a_step_when_it_is_due(pusher: Pusher) -> None:
    gc(pusher)
    with pusher.services.database.read() as session:
        first = {row.name: (row.position, row.due_at) for row in session.scalars(select(Round))}
    assert {name: position for name, (position, _) in first.items()} == {"marks": 0, "objects": 1, "uploads": 0}
    gc(pusher)
    with pusher.services.database.write() as session:
        assert {row.name: (row.position, row.due_at) for row in session.scalars(select(Round))} == first
        session.execute(update(Round).where(Round.name == "objects").values(position=255, due_at=now()))
    gc(pusher)
    with pusher.services.database.read() as session:
        assert session.get_one(Round, "objects").position == 0
