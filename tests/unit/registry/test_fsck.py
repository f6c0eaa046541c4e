"""A full check finds what is missing, and nothing where nothing is."""

from sqlalchemy import select, update

from models.tables import Blob, Manifest, ManifestChild
from models.tables.base import now
from registry.fsck import check
from tests.factories.pusher import Pusher


def problems(pusher: Pusher, *, deep: bool = False) -> list[str]:
    return [str(problem) for problem in check(pusher.services.database, pusher.services.storage, deep=deep)]


def path_of(pusher: Pusher, digest: str) -> str:
    with pusher.services.database.read() as session:
        return session.scalars(select(Blob.path).where(Blob.digest == digest)).one()


def test_nothing_is_wrong_with_what_was_pushed(pusher: Pusher) -> None:
    child = pusher.image(None, b"amd64")
    pusher.index("all", child)
    pusher.image(None, b"signature", subject=child)
    pusher.remove(pusher.image("old", b"old"))
    told: list[str] = []
    found = list(check(pusher.services.database, pusher.services.storage, deep=True, report=told.append))
    assert found == []
    assert told == ["4 of 4 blobs", "4 of 4 manifests"]


def test_missing_bytes_are_found(pusher: Pusher) -> None:
    digest = pusher.blob(b"one")
    path = path_of(pusher, digest)
    pusher.services.storage.delete([path])
    assert problems(pusher) == [f"blob {digest}: {path} is missing in storage"]


def test_bytes_of_another_size_are_found(pusher: Pusher) -> None:
    digest = pusher.blob(b"one")
    path = path_of(pusher, digest)
    pusher.services.storage.write(path, b"on")
    assert problems(pusher) == [f"blob {digest}: {path} has 2 bytes in storage instead of 3"]


def test_other_bytes_of_the_same_size_are_found_when_they_are_read(pusher: Pusher) -> None:
    digest = pusher.blob(b"one")
    pusher.services.storage.write(path_of(pusher, digest), b"two")
    assert problems(pusher) == []
    (found,) = problems(pusher, deep=True)
    assert found.startswith(f"blob {digest}: the bytes at blobs/")


def test_a_manifest_that_is_not_what_was_pushed_is_found(pusher: Pusher) -> None:
    digest = pusher.image("v1", b"one")
    with pusher.services.database.write() as session:
        session.execute(update(Manifest).values(content=b"{}"))
    (found,) = problems(pusher)
    assert found.startswith(f"acme/app@{digest}: its content has the digest sha256:")


def test_a_missing_reference_is_found(pusher: Pusher) -> None:
    child = pusher.image(None, b"amd64")
    index = pusher.index("all", child)
    with pusher.services.database.write() as session:
        session.query(ManifestChild).delete()
    assert problems(pusher) == [f"acme/app@{index}: it refers to {child}, which is not in the repository"]


def test_a_tag_whose_manifest_is_not_served_is_found(pusher: Pusher) -> None:
    pusher.image("v1", b"one")
    with pusher.services.database.write() as session:
        session.execute(update(Manifest).values(deleted_at=now()))
    assert problems(pusher) == ["acme/app: tag v1 names a manifest that is not served"]


def test_an_index_without_one_of_its_manifests_is_found(pusher: Pusher) -> None:
    child = pusher.image(None, b"amd64")
    pusher.index("all", child)
    with pusher.services.database.write() as session:
        session.execute(update(Manifest).where(Manifest.digest == child).values(deleted_at=now()))
    assert problems(pusher) == [f"acme/app: an index names {child}, which is not served"]
