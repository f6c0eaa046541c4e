"""Pushes and collection in the same moment, each order of events made to happen."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import delete, event, select, text

from models.errors import QuotaExceeded
from models.quota_audit import audit_usage, repair_usage
from models.quota_limits import create_limit, create_quota
from models.session import Session
from models.tables import Blob, Manifest, ManifestBlob, Organization, Quota, RepositoryBlob
from models.tag_changes import restore_tag
from registry.blobs import link_blob, unlink_blob
from registry.collection.blobs import collect_blobs, collect_links, remove_links
from registry.collection.manifests import collect_manifests, remove_manifests
from registry.collection.rounds import unknown
from registry.collection.run import Run
from registry.collection.terms import Terms
from registry.errors import BlobInUse, ManifestBlobUnknown
from registry.fsck import check
from registry.gc import collect
from registry.manifest_format import OCI_INDEX, OCI_MANIFEST
from registry.manifests import parse_pushed, put_manifest, remove_manifest
from registry.names import Digest
from registry.repositories import existing, writable
from registry.uploads import Body, begin_upload, finish, receive
from tests.factories.pusher import Pusher, age

pytestmark = pytest.mark.parametrize("setup", ["postgresql-local"], indirect=True)
SOON_S = 20


@contextmanager
def holding(pusher: Pusher, work: Callable[[Session], object]) -> Iterator[None]:
    """A transaction of another process that has done `work` and commits when the block ends."""
    with pusher.services.database.write() as session:
        work(session)
        session.execute(text("SELECT 1"))  # what waits to be sent goes before it
        yield


def in_background(work: Callable[[], object]) -> Future[object]:
    with_one = ThreadPoolExecutor(1)
    future = with_one.submit(work)
    with_one.shutdown(wait=False)
    return future


def waits(pusher: Pusher, future: Future[object]) -> bool:
    """Whether the work comes to wait for a lock before it ends."""
    ended = threading.Event()
    future.add_done_callback(lambda _: ended.set())
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    for _ in range(SOON_S * 50):
        with pusher.services.database.read() as session:
            if session.scalar(waiting):
                return True
        if ended.wait(0.02):
            return False
    raise AssertionError("neither waits nor ends")


def run(pusher: Pusher) -> Run:
    return Run(pusher.services.database, pusher.services.storage, Terms())


def age_all(pusher: Pusher) -> None:
    age(pusher.services, timedelta(days=30))


def store(pusher: Pusher, layers: list[bytes]) -> Callable[[Session], None]:
    """Put an image over layers that are in the repository already."""
    described = [{"mediaType": "x", "digest": str(Digest.of(data)), "size": len(data)} for data in layers]
    return putting(pusher, {"schemaVersion": 2, "config": described[0], "layers": described}, OCI_MANIFEST)


def putting(pusher: Pusher, document: dict[str, Any], media_type: str) -> Callable[[Session], None]:
    content = json.dumps(document).encode()
    digest, parsed = parse_pushed(content, media_type, "v1")

    def put(session: Session) -> None:
        put_manifest(session, writable(session, pusher.name), content, digest, parsed, tags=["v1"], actor=pusher.actor)

    return put


def sound(pusher: Pusher) -> None:
    """Nothing is missing, and the sums are right."""
    assert list(check(pusher.services.database, pusher.services.storage, deep=True)) == []
    assert [one for one in audit_usage(pusher.services.database) if one.drift] == []


def test_collection_passes_over_a_link_that_a_push_is_about_to_need(pusher: Pusher) -> None:
    pusher.blob(b"layer")
    age_all(pusher)
    with holding(pusher, store(pusher, [b"layer"])):
        collect_links(run(pusher))
        collect_blobs(run(pusher))
    pusher.pull("v1")
    sound(pusher)


def test_a_push_that_needs_a_link_being_removed_fails_cleanly_and_works_with_the_blob_pushed_again(
    pusher: Pusher,
) -> None:
    pusher.blob(b"layer")
    age_all(pusher)
    put = store(pusher, [b"layer"])

    def remove(session: Session) -> None:
        link = session.execute(select(RepositoryBlob).with_for_update()).scalar_one()
        remove_links(session, {link.repository_id: {link.blob_id}})

    with holding(pusher, remove):
        push = in_background(lambda: pusher.services.database.apply(put))
        assert waits(pusher, push)
    with pytest.raises(ManifestBlobUnknown):
        push.result(SOON_S)
    collect(pusher.services.database, pusher.services.storage, Terms())
    pusher.blob(b"layer")
    pusher.services.database.apply(put)
    pusher.pull("v1")
    sound(pusher)


def test_a_blob_pushed_again_while_its_row_is_removed_is_there_afterwards(pusher: Pusher) -> None:
    pusher.blob(b"layer")
    age_all(pusher)
    collect_links(run(pusher))
    with holding(pusher, lambda session: session.execute(delete(Blob))):
        push = in_background(lambda: pusher.blob(b"layer"))
        assert waits(pusher, push)
    assert pusher.has_blob(str(push.result(SOON_S)))
    sound(pusher)


def test_a_blob_linked_again_while_its_link_is_removed_has_a_link_afterwards(pusher: Pusher) -> None:
    digest = pusher.blob(b"layer")
    with holding(pusher, lambda session: session.execute(delete(RepositoryBlob))):
        link = in_background(lambda: pusher.services.database.apply(lambda session: link_blob(session, 1, digest)))
        assert waits(pusher, link)
    assert link.result(SOON_S)
    assert pusher.has_blob(digest)


def test_collection_passes_over_a_blob_that_is_being_linked(pusher: Pusher) -> None:
    digest = pusher.blob(b"layer")
    age_all(pusher)
    collect_links(run(pusher))
    with holding(pusher, lambda session: link_blob(session, 1, digest)):
        collect_blobs(run(pusher))
    assert pusher.has_blob(digest)
    collect_blobs(run(pusher))
    assert pusher.has_blob(digest)


def test_bytes_that_become_a_blob_while_it_is_asked_who_knows_them_are_known(pusher: Pusher) -> None:
    services, digest = pusher.services, Digest.of(b"layer")
    upload = receive(services, begin_upload(services, pusher.repository_id()), Body(iter([b"layer"])))

    @event.listens_for(services.database.engine, "after_cursor_execute", once=True)
    def finish_after_the_first_look(*_: Any) -> None:
        in_background(lambda: finish(services, upload, digest)).result(SOON_S)

    assert unknown(run(pusher), [upload.path]) == []
    assert pusher.has_blob(str(digest))


def test_a_blob_deleted_while_a_push_needs_it_stays(pusher: Pusher) -> None:
    digest = pusher.image("v1", b"layer")
    delete_manifest(pusher, digest)
    with holding(pusher, store(pusher, [b"layer"])):
        deletion = in_background(lambda: pusher.services.database.apply(partial(unlink, digest=b"layer")))
        assert waits(pusher, deletion)
    with pytest.raises(BlobInUse):
        deletion.result(SOON_S)
    pusher.pull("v1")
    sound(pusher)


def test_a_push_that_needs_a_blob_while_it_is_deleted_is_told_that_it_is_gone(pusher: Pusher) -> None:
    delete_manifest(pusher, pusher.image("v1", b"layer"))
    with holding(pusher, partial(unlink, digest=b"layer")):
        push = in_background(lambda: pusher.services.database.apply(store(pusher, [b"layer"])))
        assert waits(pusher, push)
    with pytest.raises(ManifestBlobUnknown):
        push.result(SOON_S)
    sound(pusher)


def test_a_tag_restored_while_its_blob_is_deleted_has_it(pusher: Pusher) -> None:
    digest = pusher.image("v1", b"layer")
    delete_manifest(pusher, digest)

    def restore(session: Session) -> None:
        restore_tag(session, existing(session, pusher.name), "v1", digest, actor=pusher.actor)

    with holding(pusher, partial(unlink, digest=b"layer")):
        restoring = in_background(lambda: pusher.services.database.apply(restore))
        assert waits(pusher, restoring)
    restoring.result(SOON_S)
    pusher.pull("v1")
    sound(pusher)
    delete_manifest(pusher, digest)
    with holding(pusher, restore):
        deletion = in_background(lambda: pusher.services.database.apply(partial(unlink, digest=b"layer")))
        assert waits(pusher, deletion)
    with pytest.raises(BlobInUse):
        deletion.result(SOON_S)
    pusher.pull("v1")


def delete_manifest(pusher: Pusher, digest: str) -> None:
    def remove(session: Session) -> None:
        remove_manifest(session, existing(session, pusher.name), Digest.parse(digest), actor=pusher.actor)

    pusher.services.database.apply(remove)


def unlink(session: Session, digest: bytes) -> None:
    unlink_blob(session, 1, Digest.of(digest))


def test_a_manifest_tagged_while_it_is_removed_is_there_afterwards(pusher: Pusher) -> None:
    digest = pusher.image(None, b"layer")
    age_all(pusher)

    def remove(session: Session) -> None:
        remove_manifests(session, set(session.scalars(select(Manifest.id).with_for_update())))

    with holding(pusher, remove):
        push = in_background(lambda: pusher.image("v1", b"layer"))
        assert waits(pusher, push)
    assert push.result(SOON_S) == digest
    pusher.pull("v1")
    sound(pusher)


def test_collection_passes_over_a_manifest_that_is_being_tagged_or_put_into_an_index(pusher: Pusher) -> None:
    child, tagged = pusher.image(None, b"child"), pusher.image(None, b"tagged")
    age_all(pusher)
    held, release = threading.Event(), threading.Event()

    def slowly(session: Session) -> None:
        index = session.scalars(select(Manifest.id).where(Manifest.digest == child).with_for_update(key_share=True))
        index.all()
        session.scalars(select(Manifest.id).where(Manifest.digest == tagged).with_for_update(key_share=True)).all()
        held.set()
        release.wait(SOON_S)

    pushing = in_background(lambda: pusher.services.database.apply(slowly))
    assert held.wait(SOON_S)
    collect_manifests(run(pusher))
    release.set()
    pushing.result(SOON_S)
    assert pusher.has(child)
    assert pusher.has(tagged)
    collect_manifests(run(pusher))
    assert not pusher.has(child)


def test_a_child_deleted_while_an_index_that_names_it_is_pushed_stays(pusher: Pusher) -> None:
    child = pusher.image(None, b"child")
    index = {"schemaVersion": 2, "manifests": [{"mediaType": OCI_MANIFEST, "digest": child, "size": 1}]}
    with holding(pusher, putting(pusher, index, OCI_INDEX)):
        removal = in_background(lambda: pusher.remove(child))
        assert waits(pusher, removal)
    removal.result(SOON_S)
    pusher.pull("v1")
    sound(pusher)


def test_an_index_pushed_while_its_child_is_deleted_is_refused(pusher: Pusher) -> None:
    child = pusher.image(None, b"child")

    def remove(session: Session) -> None:
        remove_manifest(session, writable(session, pusher.name), Digest.parse(child), actor=pusher.actor)

    with holding(pusher, remove):
        push = in_background(lambda: pusher.index("v1", child))
        assert waits(pusher, push)
    with pytest.raises(ManifestBlobUnknown):
        push.result(SOON_S)
    sound(pusher)


def test_two_pushes_of_the_same_new_blobs_are_counted_once(pusher: Pusher) -> None:
    pusher.blob(b"layer")
    with holding(pusher, store(pusher, [b"layer"])):
        push = in_background(lambda: pusher.at("acme/other").image("v1", b"layer"))
        assert waits(pusher, push)
    push.result(SOON_S)
    sound(pusher)
    (acme,) = (one for one in audit_usage(pusher.services.database) if one.name == "acme")
    assert acme.kept == len(b"layer") + len(b"{}")


def test_a_push_of_what_is_being_given_back_is_counted(pusher: Pusher) -> None:
    pusher.image("v0", b"layer")
    pusher.untag("v0")
    age_all(pusher)
    with pusher.services.database.write() as session:
        session.execute(text("DELETE FROM tag"))

    def remove(session: Session) -> None:
        remove_manifests(session, set(session.scalars(select(Manifest.id).with_for_update())))

    put = store(pusher, [b"layer"])
    with holding(pusher, remove):
        push = in_background(lambda: pusher.services.database.apply(put))
        assert waits(pusher, push)
    push.result(SOON_S)
    pusher.pull("v1")
    sound(pusher)
    with pusher.services.database.read() as session:
        assert session.query(ManifestBlob).count() == 1


def test_of_two_pushes_that_together_pass_the_limit_one_is_refused(pusher: Pusher) -> None:
    with pusher.services.database.write() as session:
        acme = session.scalars(select(Organization)).one()
        quota = create_quota(session, acme, 100, actor=pusher.actor)
        create_limit(session, acme, quota, "Reject", 100, actor=pusher.actor)
        assert session.query(Quota).count() == 1
    pusher.blob(b"x" * 60)
    with holding(pusher, store(pusher, [b"x" * 60])):
        push = in_background(lambda: pusher.at("acme/other").image("v1", b"y" * 60))
        assert waits(pusher, push)
    with pytest.raises(QuotaExceeded, match="uses 60 of 100 bytes and this push adds 62"):
        push.result(SOON_S)
    sound(pusher)


def test_repairing_counts_a_push_that_is_under_way(pusher: Pusher) -> None:
    pusher.blob(b"layer")
    pusher.image("v0", b"other")
    with pusher.services.database.read() as session:
        id_ = session.scalars(select(Organization.id)).one()
    with holding(pusher, store(pusher, [b"layer"])):
        repair = in_background(lambda: repair_usage(pusher.services.database, id_))
        assert waits(pusher, repair)
    repair.result(SOON_S)
    sound(pusher)
