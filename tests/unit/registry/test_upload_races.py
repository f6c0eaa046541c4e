"""Several requests finish or cancel one upload at once: one of them wins, and the others take nothing away."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from models.repositories import remove_repository
from registry.errors import BlobUnknown, DigestInvalid, UploadUnknown
from registry.names import Digest
from registry.repositories import existing
from registry.upload_rows import Upload
from registry.uploads import Body, begin_upload, cancel, finish, receive, receive_and_finish
from storage.driver import StorageError
from storage.memory import MemoryStorage
from tests.factories.pusher import Pusher, stored_paths

CONTENT = b"many bytes of a layer"
DIGEST = Digest.of(CONTENT)
WRONG = Digest.of(b"something else")


def in_pieces(pusher: Pusher) -> Upload:
    """An upload that came in two requests, so that its digest is found by reading it back."""
    first = receive(pusher.services, begin_upload(pusher.services, pusher.repository_id()), Body(iter([CONTENT[:5]])))
    return receive(pusher.services, first, Body(iter([CONTENT[5:]])))


def in_one(pusher: Pusher) -> Upload:
    return receive(pusher.services, begin_upload(pusher.services, pusher.repository_id()), Body(iter([CONTENT])))


@pytest.mark.parametrize("received", [in_pieces, in_one])
def test_a_repeated_finish_takes_nothing_from_the_first(pusher: Pusher, received: Callable[[Pusher], Upload]) -> None:
    upload = received(pusher)
    finish(pusher.services, upload, DIGEST)
    finish(pusher.services, upload, DIGEST)  # the blob is there, so there is nothing left to do
    assert pusher.pull_blob(str(DIGEST)) == CONTENT


@pytest.mark.parametrize("received", [in_pieces, in_one])
def test_of_two_that_finish_alike_both_are_right(pusher: Pusher, received: Callable[[Pusher], Upload]) -> None:
    upload = received(pusher)
    first = _Paused(pusher, before_commit=lambda: finish(pusher.services, upload, DIGEST))
    finish(first.services, upload, DIGEST)
    assert pusher.pull_blob(str(DIGEST)) == CONTENT


@pytest.mark.parametrize("received", [in_pieces, in_one])
def test_a_finish_with_a_wrong_digest_takes_nothing_away(pusher: Pusher, received: Callable[[Pusher], Upload]) -> None:
    upload = received(pusher)
    first = _Paused(pusher, before_commit=lambda: finish(pusher.services, upload, DIGEST))
    with pytest.raises(DigestInvalid):
        finish(first.services, upload, WRONG)
    finish(pusher.services, upload, DIGEST)
    assert pusher.pull_blob(str(DIGEST)) == CONTENT


def test_a_cancel_beside_a_finish_takes_nothing_away(pusher: Pusher) -> None:
    upload = in_pieces(pusher)
    finish(pusher.services, upload, DIGEST)
    cancel(pusher.services, upload)
    assert pusher.pull_blob(str(DIGEST)) == CONTENT


def test_after_a_cancel_nothing_is_published(pusher: Pusher) -> None:
    upload = in_pieces(pusher)
    paused = _Paused(pusher, before_commit=lambda: cancel(pusher.services, upload))
    with pytest.raises(UploadUnknown):
        finish(paused.services, upload, DIGEST)
    with pytest.raises(BlobUnknown):
        pusher.pull_blob(str(DIGEST))


def test_what_goes_with_its_repository_is_told_so(pusher: Pusher) -> None:
    upload = begin_upload(pusher.services, pusher.repository_id())
    with pusher.services.database.write() as session:
        remove_repository(session, existing(session, pusher.name), actor=pusher.actor)
    with pytest.raises(UploadUnknown, match="the repository was deleted"):
        receive(pusher.services, upload, Body(iter([CONTENT])))
    with pytest.raises(UploadUnknown, match="the repository was deleted"):
        receive_and_finish(pusher.services, upload, Body(iter([CONTENT])), DIGEST)


def test_what_storage_refuses_leaves_no_bytes(pusher: Pusher) -> None:
    storage = _Full()
    full = replace(pusher.services, storage=storage)
    for _ in range(2):
        with pytest.raises(StorageError, match="no space"):
            receive(full, begin_upload(full, pusher.repository_id()), Body(iter([CONTENT])))
        with pytest.raises(StorageError, match="no space"):
            receive_and_finish(full, begin_upload(full, pusher.repository_id()), Body(iter([CONTENT])), DIGEST)
    assert storage.sweep(older_than_s=-60, known=[]) == 0
    assert stored_paths(full) == set()


@pytest.mark.parametrize("digest", [DIGEST, WRONG])
def test_an_empty_upload_with_a_wrong_digest_leaves_no_bytes(pusher: Pusher, digest: Digest) -> None:
    with pytest.raises(DigestInvalid):
        finish(pusher.services, begin_upload(pusher.services, pusher.repository_id()), digest)
    assert pusher.services.storage.sweep(older_than_s=-60, known=[]) == 0


class _Paused:
    """The services as a request sees them that another one overtakes right before its bytes are committed."""

    def __init__(self, pusher: Pusher, *, before_commit: Callable[[], None]) -> None:
        storage = pusher.services.storage
        assert isinstance(storage, MemoryStorage)

        class Overtaken(MemoryStorage):
            def __init__(self) -> None:
                self.__dict__ = storage.__dict__

            def commit(self, state: dict[str, object]) -> None:
                before_commit()
                super().commit(state)

        self.services = replace(pusher.services, storage=Overtaken())


class _Full(MemoryStorage):
    """A store that takes bytes, and then says that it is full."""

    def append(self, state: dict[str, object], chunks: object) -> dict[str, object]:
        super().append(state, [CONTENT[:3]])
        raise StorageError("no space left")
