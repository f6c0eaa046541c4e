"""A dry run says what collection then does; both say what a plain search through everything says."""

import random
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from models.quota_audit import audit_usage
from models.repositories import remove_repository
from models.tables import Account, Blob, Manifest, ManifestChild, RepositoryBlob, Tag
from models.tags import list_tag_names, now_ms
from registry.collection.forecast import Forecast
from registry.collection.terms import Terms
from registry.fsck import check
from registry.gc import collect
from registry.repositories import existing
from tests.factories.pusher import Pusher, age, stored_paths

TERMS = Terms(rest_s=0, slice_size=4)
DAY = timedelta(days=1)
STEPS = 26


def forecast(pusher: Pusher) -> tuple[Forecast, dict[str, tuple[int, list[str], int]]]:
    found = Forecast(pusher.services.database, TERMS)
    return found, {one.repository: (one.tags, one.manifests, one.links) for one in found.repositories()}


def live_a_while(pusher: Pusher, seed: int) -> None:
    """Three repositories with images, indexes, referrers of what is there and what is not, moved and ended tags."""
    dice = random.Random(seed)
    everything: dict[str, list[str]] = {"acme/a": [], "acme/b": [], "acme/c": []}
    for step in range(STEPS):
        path = dice.choice(list(everything))
        at, known = pusher.at(path), everything[path]
        tag = dice.choice([None, None, *(f"t{number}" for number in range(4))])
        subject = dice.choice([None, None, f"sha256:{'0' * 64}", *known]) if dice.random() < 0.5 else None
        if known and dice.random() < 0.4:
            known.append(at.index(tag, *dice.sample(known, min(len(known), dice.randint(1, 3))), subject=subject))
        elif dice.random() < 0.2:
            at.blob(f"loose {step}".encode())
        else:
            known.append(at.image(tag, f"layer {dice.randint(0, 9)}".encode(), f"{step}".encode(), subject=subject))
        with at.services.database.read() as session:
            names = list_tag_names(session, existing(session, at.name).id, limit=9)
        if names and dice.random() < 0.3:
            at.untag(dice.choice(names))
        if dice.random() < 0.3:
            age(at.services, dice.choice([timedelta(minutes=20), timedelta(hours=2), 6 * DAY]))


def kept_by_search(pusher: Pusher) -> set[int]:
    """The manifests that are reachable, by following every edge from every tag and every protected manifest."""
    with pusher.services.database.read() as session:
        keeps_ms = session.scalar(select(Account.tag_expiration_s).where(Account.name == "acme")) or 0
        since = now_ms() - keeps_ms * 1000
        rows = list(session.scalars(select(Manifest)))
        found = {tag.manifest_id for tag in session.scalars(select(Tag)) if tag.end_ms is None or tag.end_ms >= since}
        found |= {row.id for row in rows if row.touched_at > TERMS.unprotected}
        edges = {(edge.parent_id, edge.child_id) for edge in session.scalars(select(ManifestChild))}
        edges |= {
            (above.id, below.id)
            for above in rows
            for below in rows
            if below.subject == above.digest and below.repository_id == above.repository_id
        }
    while more := {below for above, below in edges if above in found} - found:
        found |= more
    return found


@pytest.mark.parametrize("seed", range(9))
def test_what_goes_is_what_was_forecast_and_what_nothing_keeps(pusher: Pusher, seed: int) -> None:
    live_a_while(pusher, seed)
    kept = kept_by_search(pusher)
    expected, by_repository = forecast(pusher)
    with pusher.services.database.read() as session:
        every = {row.id for row in session.scalars(select(Manifest))}

    gone = collect(pusher.services.database, pusher.services.storage, TERMS)

    with pusher.services.database.read() as session:
        assert {row.id for row in session.scalars(select(Manifest))} == kept
        used = set(session.scalars(select(Blob.path)))
        assert not session.scalar(select(func.count()).where(RepositoryBlob.blob_id.not_in(select(Blob.id))))
    sums = [sum(column) for column in zip(*((t, len(m), n) for t, m, n in by_repository.values()), strict=True)]
    assert [gone.tags, gone.manifests, gone.links] == (sums or [0, 0, 0])
    assert (gone.blobs, gone.bytes) == (expected.blobs, expected.bytes)
    assert gone.manifests == len(every - kept)
    assert stored_paths(pusher.services) == used
    assert list(check(pusher.services.database, pusher.services.storage, deep=True)) == []
    assert [one.drift for one in audit_usage(pusher.services.database) if one.drift] == []
    again, nothing = forecast(pusher)
    assert (nothing, again.bytes, again.garbage) == ({}, 0, 0)


def test_a_forecast_takes_nothing(pusher: Pusher) -> None:
    pusher.image("v1", b"one")
    pusher.untag("v1")
    age(pusher.services, 20 * DAY)
    expected, by_repository = forecast(pusher)
    assert list(by_repository) == ["acme/app"]
    assert (expected.blobs, expected.bytes) == (2, 5)
    assert len(stored_paths(pusher.services)) == 2


def test_a_forecast_counts_deleted_repositories_and_blobs_without_links(pusher: Pusher) -> None:
    pusher.image("v1", b"one")
    with pusher.services.database.write() as session:
        remove_repository(session, existing(session, pusher.name), actor=pusher.actor)
        session.execute(update(Blob).values(loose=True))
    found = Forecast(pusher.services.database, TERMS)
    (doomed,) = found.repositories()
    assert (doomed.deleted, doomed.tags, len(doomed.manifests), doomed.links) == (True, 1, 1, 2)
    assert (found.blobs, found.bytes) == (2, 5)
