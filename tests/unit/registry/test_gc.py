"""What collection takes and what it leaves, one rule at a time."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from models.organizations import remove_organization
from models.repositories import remove_repository
from models.tables import (
    Account,
    Base,
    Blob,
    Garbage,
    Manifest,
    NamespaceBlob,
    NamespaceUsage,
    Organization,
    Repository,
    RepositoryBlob,
    Tag,
    Upload,
)
from models.tags import now_ms
from registry.blobs import unlink_blob
from registry.collection.run import Collected
from registry.collection.terms import Terms
from registry.errors import NameUnknown
from registry.gc import collect
from registry.names import Digest
from registry.protection import renew_blob, renew_manifest
from registry.repositories import existing
from registry.uploads import Body, begin_upload, receive
from tests.factories.pusher import Pusher, age, stored_paths
from tests.unit.registry.conftest import Registry

TERMS = Terms(rest_s=0, slice_size=3)  # so small that every step takes several
HISTORY = timedelta(days=14)
HOUR = timedelta(hours=1)


def gc(pusher: Pusher, terms: Terms = TERMS, *, thorough: bool = False) -> Collected:
    return collect(pusher.services.database, pusher.services.storage, terms, thorough=thorough)


def later(pusher: Pusher, by: timedelta) -> None:
    age(pusher.services, by)


def count(pusher: Pusher, table: type[Base]) -> int:
    with pusher.services.database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def size_used(pusher: Pusher) -> int:
    with pusher.services.database.read() as session:
        return session.scalar(select(func.sum(NamespaceUsage.size))) or 0


def test_nothing_goes_that_a_tag_names(pusher: Pusher) -> None:
    pusher.image("v1", b"one", b"two")
    later(pusher, 10 * HISTORY)
    assert gc(pusher) == Collected()
    pusher.pull("v1")


def test_an_ended_tag_keeps_its_manifest_as_long_as_it_can_be_restored(pusher: Pusher) -> None:
    digest = pusher.image("v1", b"one")
    pusher.untag("v1")
    later(pusher, HISTORY - HOUR)
    assert gc(pusher) == Collected()
    assert pusher.has(digest)

    later(pusher, 2 * HOUR)
    gone = gc(pusher)
    assert (gone.tags, gone.manifests, gone.links, gone.blobs, gone.bytes, gone.objects) == (1, 1, 2, 2, 5, 2)
    assert not pusher.has(digest)
    assert stored_paths(pusher.services) == set()
    assert [count(pusher, table) for table in (Tag, Manifest, RepositoryBlob, Blob, NamespaceBlob, Garbage)] == [0] * 6
    assert size_used(pusher) == 0


def test_a_tag_that_moved_keeps_what_it_named_before(pusher: Pusher) -> None:
    first = pusher.image("v1", b"one")
    second = pusher.image("v1", b"two")
    later(pusher, HISTORY - HOUR)
    gc(pusher)
    assert pusher.has(first)

    later(pusher, 2 * HOUR)
    gc(pusher)
    assert not pusher.has(first)
    assert pusher.has(second)


def test_a_tag_that_expired_unseen_is_history_like_any_other(pusher: Pusher) -> None:
    digest = pusher.image("v1", b"one")
    long_ago = now_ms() - int(HISTORY.total_seconds() * 1000) - 1000
    later(pusher, 2 * HISTORY)
    with pusher.services.database.write() as session:
        session.execute(update(Tag).values(expires_ms=long_ago))
    gc(pusher)
    assert not pusher.has(digest)


def test_a_namespace_chooses_how_long_history_lasts(pusher: Pusher) -> None:
    pusher.image("v1", b"one")
    pusher.untag("v1")
    with pusher.services.database.write() as session:
        session.execute(update(Account).where(Account.name == "acme").values(tag_expiration_s=0))
    later(pusher, 2 * HOUR)
    assert gc(pusher).manifests == 1


def test_a_manifest_without_a_tag_goes_after_the_protection(pusher: Pusher) -> None:
    digest = pusher.image(None, b"one")
    later(pusher, HOUR / 2)
    assert gc(pusher) == Collected()
    assert pusher.has(digest)
    later(pusher, HOUR)
    assert gc(pusher).manifests == 1


def test_a_blob_without_a_manifest_goes_after_the_protection(pusher: Pusher) -> None:
    digest = pusher.blob(b"alone")
    later(pusher, HOUR / 2)
    assert gc(pusher) == Collected()
    assert pusher.has_blob(digest)
    later(pusher, HOUR)
    assert gc(pusher).blobs == 1
    assert not pusher.has_blob(digest)


def test_what_a_push_was_told_is_there_is_protected_again(pusher: Pusher) -> None:
    manifest, blob = pusher.image(None, b"one"), pusher.blob(b"alone")
    later(pusher, 2 * HOUR)
    database = pusher.services.database
    renew_blob(database, pusher.name, Digest.parse(blob), protection_s=3600)
    renew_manifest(database, pusher.name, Digest.parse(manifest), protection_s=3600)
    gc(pusher)
    assert pusher.has(manifest)
    assert pusher.has_blob(blob)
    pusher.index("all", manifest)
    later(pusher, 2 * HOUR)
    gc(pusher)
    pusher.pull("all")
    assert not pusher.has_blob(blob)


def test_a_manifest_pushed_again_is_protected_again(pusher: Pusher) -> None:
    digest = pusher.image(None, b"one")
    later(pusher, 2 * HOUR)
    assert pusher.image(None, b"one") == digest
    gc(pusher)
    assert pusher.has(digest)


def test_a_blob_goes_with_the_last_repository_that_has_it(pusher: Pusher) -> None:
    other = pusher.at("acme/other")
    digest = pusher.blob(b"shared")
    pusher.image("v1", b"shared")
    assert other.mount(digest, pusher)
    later(pusher, 2 * HOUR)
    gc(pusher)
    assert not other.has_blob(digest)
    assert pusher.has("v1")


def test_the_children_of_a_kept_index_stay_and_go_with_it(pusher: Pusher) -> None:
    children = [pusher.image(None, name.encode()) for name in ("amd64", "arm64", "riscv")]
    inner = pusher.index(None, *children[:2])
    pusher.index("all", inner, children[2])
    later(pusher, 2 * HOUR)
    assert gc(pusher) == Collected()
    pusher.pull("all")

    pusher.untag("all")
    later(pusher, HISTORY + HOUR)
    assert gc(pusher).manifests == 5
    assert count(pusher, Manifest) == 0


def test_referrers_live_as_long_as_their_subject(pusher: Pusher) -> None:
    subject = pusher.image("v1", b"one")
    signature = pusher.image(None, b"signature", subject=subject)
    of_signature = pusher.image(None, b"signature of the signature", subject=signature)
    later(pusher, 2 * HOUR)
    gc(pusher)
    assert pusher.has(of_signature)

    pusher.untag("v1")
    later(pusher, HISTORY + HOUR)
    assert gc(pusher).manifests == 3


def test_referrers_of_a_child_live_as_long_as_the_index(pusher: Pusher) -> None:
    child = pusher.image(None, b"amd64")
    attestation = pusher.image(None, b"attestation", subject=child)
    pusher.index("all", child)
    later(pusher, 2 * HOUR)
    gc(pusher)
    assert pusher.has(attestation)


def test_a_referrer_without_its_subject_goes_after_the_protection(pusher: Pusher) -> None:
    referrer = pusher.image(None, b"signature", subject=f"sha256:{'0' * 64}")
    tagged = pusher.image("sha256-0.sig", b"other", subject=f"sha256:{'0' * 64}")
    gc(pusher)
    assert pusher.has(referrer)
    later(pusher, 2 * HOUR)
    gc(pusher)
    assert not pusher.has(referrer)
    assert pusher.has(tagged)


def test_an_index_that_is_about_its_own_child_is_no_reason_to_keep_both(pusher: Pusher) -> None:
    deep = pusher.image(None, b"deep")
    middle = pusher.index(None, deep)
    pusher.index(None, middle, deep, subject=deep)
    pusher.index("kept", middle, subject=deep)
    later(pusher, 2 * HOUR)
    assert gc(pusher).manifests == 0  # one that is kept keeps the other, by way of their subject
    pusher.untag("kept")
    later(pusher, HISTORY + HOUR)
    assert gc(pusher).manifests == 4


def test_a_circle_whose_middle_loses_its_tag_goes(pusher: Pusher) -> None:
    deep = pusher.image("deep", b"deep")
    middle = pusher.index(None, deep)
    pusher.index(None, middle, subject=deep)
    later(pusher, 2 * HOUR)
    assert gc(pusher) == Collected()
    pusher.untag("deep")
    later(pusher, HISTORY + HOUR)
    assert gc(pusher).manifests == 3


def test_a_deleted_manifest_goes_but_for_what_an_index_needs(pusher: Pusher) -> None:
    child, alone = pusher.image("amd64", b"amd64"), pusher.image(None, b"alone")
    pusher.index("all", child)
    pusher.remove(child)
    pusher.remove(alone)
    later(pusher, HISTORY + HOUR)
    gc(pusher)
    pusher.pull("all")
    assert count(pusher, Manifest) == 2


def test_what_was_deleted_and_pushed_again_is_served_again(pusher: Pusher) -> None:
    digest = pusher.image("v1", b"one")
    pusher.remove(digest)
    later(pusher, 2 * HOUR)
    gc(pusher)
    assert pusher.image("v1", b"one") == digest
    later(pusher, HISTORY + HOUR)
    gc(pusher)
    pusher.pull("v1")


def test_a_deleted_repository_frees_its_name_at_once_and_goes_with_collection(pusher: Pusher) -> None:
    pusher.image("v1", b"one", b"two")
    pusher.index("all", pusher.image(None, b"amd64"))
    begun = begin_upload(pusher.services, pusher.repository_id())
    receive(pusher.services, begun, Body(iter([b"some bytes"])))
    with pusher.services.database.write() as session:
        remove_repository(session, existing(session, pusher.name), actor=pusher.actor)
    with pytest.raises(NameUnknown):
        pusher.untag("v1")
    assert not pusher.has("v1")

    digest = pusher.image("v1", b"two", b"three")
    gone = gc(pusher)
    assert (gone.repositories, gone.manifests, gone.uploads) == (1, 3, 1)
    assert pusher.has(digest)
    assert size_used(pusher) == len(b"{}twothree")
    assert count(pusher, Repository) == 1
    assert len(stored_paths(pusher.services)) == 3


def test_an_empty_repository_goes_at_once(pusher: Pusher) -> None:
    pusher.blob(b"x")
    later(pusher, 2 * HOUR)
    gc(pusher)
    with pusher.services.database.write() as session:
        remove_repository(session, existing(session, pusher.name), actor=pusher.actor)
    assert count(pusher, Repository) == 0


def test_a_deleted_organization_frees_its_name_at_once_and_goes_with_collection(pusher: Pusher) -> None:
    pusher.image("v1", b"one")
    pusher.at("acme/other").image("v1", b"one")
    with pusher.services.database.write() as session:
        acme = session.scalars(select(Organization).where(Organization.name == "acme")).one()
        remove_organization(session, acme, actor=pusher.actor)
    with pusher.services.database.write() as session:
        assert session.scalar(select(func.count()).where(Account.name.startswith("acme"))) == 0
        session.add(Organization(name="acme"))
    assert gc(pusher).repositories == 2
    with pusher.services.database.read() as session:
        kinds = list(session.scalars(select(Account.kind)))
        assert (kinds.count("organization"), kinds.count("deleted")) == (1, 0)
    assert size_used(pusher) == 0
    assert stored_paths(pusher.services) == set()


def test_uploads_that_nobody_continues_go_with_their_bytes(pusher: Pusher) -> None:
    pusher.image("v1", b"one")
    upload = begin_upload(pusher.services, pusher.repository_id())
    receive(pusher.services, upload, Body(iter([b"some bytes"])))
    later(pusher, timedelta(hours=23))
    assert gc(pusher).uploads == 0
    later(pusher, timedelta(hours=2))
    assert gc(pusher).uploads == 1
    assert count(pusher, Upload) == 0
    assert pusher.services.storage.sweep(older_than_s=-60, known=[]) == 0


def test_a_blob_taken_out_of_its_repository_goes(pusher: Pusher) -> None:
    digest, repository = pusher.blob(b"alone"), pusher.repository_id()
    later(pusher, 2 * HOUR)
    with pusher.services.database.write() as session:
        unlink_blob(session, repository, Digest.parse(digest))
    assert gc(pusher).blobs == 1


def test_it_stops_between_two_slices(pusher: Pusher) -> None:
    for number in range(10):
        pusher.blob(str(number).encode())
    later(pusher, 2 * HOUR)
    asked = iter([False] * 6)
    database, storage = pusher.services.database, pusher.services.storage
    gone = collect(database, storage, TERMS, stop=lambda: next(asked, True))
    assert 0 < gone.links < 10
    assert gc(pusher).blobs == 10


def test_a_look_by_someone_who_may_push_protects_what_it_finds(registry: Registry, pusher: Pusher) -> None:
    manifest = registry.push_image("v1")
    registry.call("DELETE", "acme/app/manifests/v1")
    blob = registry.push_blob(b"alone")
    for method, kept in (("GET", False), ("HEAD", True)):
        later(pusher, HISTORY + HOUR)
        registry.push_image("v1")
        registry.push_blob(b"alone")
        registry.call("DELETE", "acme/app/manifests/v1")
        later(pusher, HISTORY + HOUR)
        assert registry.call(method, f"acme/app/blobs/{blob}").status_code == 200
        assert registry.call(method, f"acme/app/manifests/{manifest}").status_code == 200
        gc(pusher)
        assert (pusher.has_blob(blob), pusher.has(manifest)) == (kept, kept)
