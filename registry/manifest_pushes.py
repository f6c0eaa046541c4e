"""Manifests on their way in: several at once, each with what it refers to, its tags and its log entries.

Everything is asked and written for all of them together, since a statement costs more than a row. Rows that others may
want at the same moment are locked in one order: children, manifests, blobs of the namespaces, tags, usage of
repositories, usage of namespaces, each sorted.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import and_, select

from models import audit
from models.access import Identity
from models.announcements import announce_push
from models.dialect import insert_new, insert_or_leave, upsert
from models.prepared import among
from models.quota import charge, claim_blobs
from models.quota_notices import warn
from models.repository_usage import count_manifests
from models.session import Session
from models.tables import (
    Account,
    Blob,
    Manifest,
    ManifestBlob,
    ManifestChild,
    NamespaceBlob,
    Repository,
    RepositoryBlob,
)
from models.tables.base import now
from models.tags import TagPush, put_tags
from registry.errors import ManifestBlobUnknown
from registry.labels import NO_WISHES, Wishes
from registry.manifest_format import ParsedManifest
from registry.protection import still_protected


@dataclass(frozen=True)
class ManifestPush:
    """A manifest as pushed, and the tags that are to name it as its labels wish."""

    repository: Repository
    content: bytes
    digest: str
    parsed: ParsedManifest
    tags: list[str]
    actor: Identity
    wishes: Wishes = NO_WISHES

    @property
    def key(self) -> tuple[int, str]:
        return self.repository.id, self.digest


@dataclass
class _Needs:
    """A push and what it refers to: bytes by blob id, and lifetimes by manifest id.

    `unclaimed`: those of the blobs that no manifest of the namespace needs yet. `grows`: none of the
    repository needed some of them before.
    """

    push: ManifestPush
    blobs: dict[int, int]
    unclaimed: dict[int, int]
    grows: bool
    children: dict[int, int | None]

    @property
    def lifetime_s(self) -> int | None:
        """Of its tags; that of an index is by default the one that all its images have."""
        lifetimes = set(self.children.values())
        shared = next(iter(lifetimes)) if len(lifetimes) == 1 else None
        return shared if self.push.wishes.lifetime_s is None else self.push.wishes.lifetime_s


@dataclass(frozen=True)
class _Written:
    """Whose rows were written: ids of new manifests by repository, and repositories of those that came back.

    `growing`: repositories that need blobs which they did not need before.
    """

    new: dict[int, list[int]] = field(default_factory=dict)
    again: set[int] = field(default_factory=set)
    growing: set[int] = field(default_factory=set)


def put_manifests(session: Session, pushes: list[ManifestPush], *, protection_s: int = 3600) -> None:
    """Store the manifests and let their tags name them: all of them, or none if there is an error.

    ManifestBlobUnknown tells everything that one refers to in vain. TagImmutable. QuotaExceeded if they need more new
    bytes than a namespace may use. `protection_s`: for how long collection spares a manifest although nothing may name
    it yet (PUSH_TEMP_TAG_EXPIRATION_SEC).
    """
    session.keep_plans()
    added: dict[Account, int] = {}
    written = _Written()
    for wave in _waves(pushes):
        for namespace, size in _put(session, wave, written, protection_s).items():
            added[namespace] = added.get(namespace, 0) + size
    count_manifests(session, written.new, written.again, grows=bool(written.growing))
    for namespace in sorted(added, key=lambda account: account.id):
        for limit in charge(session, namespace, added[namespace]):
            warn(session, namespace, limit)


def _waves(pushes: list[ManifestPush]) -> Iterator[list[ManifestPush]]:
    """The pushes in their order, in groups within which no two are about the same manifest or tag."""
    wave: list[ManifestPush] = []
    seen: set[tuple[int, str]] = set()
    for push in pushes:
        keys = {push.key, *((push.repository.id, tag) for tag in push.tags)}
        if keys & seen:
            yield wave
            wave, seen = [], set()
        wave.append(push)
        seen |= keys
    yield wave


def _put(session: Session, pushes: list[ManifestPush], all_written: _Written, protection_s: int) -> dict[Account, int]:
    """The bytes that the pushes, all of different manifests and tags, add to each namespace."""
    needs = _look_up(session, pushes)
    written = _insert(session, needs)
    for (repository_id, _), id_ in written.items():
        all_written.new.setdefault(repository_id, []).append(id_)
    all_written.growing.update(need.push.repository.id for need in needs if need.grows)
    known = _served(session, [push for push in pushes if push.key not in written], protection_s)
    # What is neither new nor served was deleted and comes back.
    again = _insert(session, [need for need in needs if need.push.key not in written | known], again=True)
    all_written.again.update(repository_id for repository_id, _ in again)
    written |= again
    added = _claim(session, [need for need in needs if need.push.key in written])
    _refer(session, needs, written)
    ids = written | known
    tags = [
        TagPush(push.repository, tag, ids[push.key], push.digest, push.actor, need.lifetime_s, push.wishes.immutable)
        for need, push in zip(needs, pushes, strict=True)
        for tag in dict.fromkeys(push.tags)
    ]
    audit.record_all(session, put_tags(session, tags) + [_entry(push) for push in pushes])
    for push in pushes:
        announce_push(session, push.repository, push.tags, actor=push.actor)
    return added


def _entry(push: ManifestPush) -> dict[str, Any]:
    told: dict[str, Any] = {"manifest_digest": push.digest, "mediaType": push.parsed.media_type}
    if push.tags:
        told["tag"] = push.tags[0]
    return audit.entry("push_repo", actor=push.actor, repository=push.repository, **told)


# One of the repository's that needs the blob. With a LIMIT, so that PostgreSQL never looks at all of them first.
_A_MANIFEST = (
    select(ManifestBlob.manifest_id)
    .where(ManifestBlob.repository_id == RepositoryBlob.repository_id, ManifestBlob.blob_id == RepositoryBlob.blob_id)
    .limit(1)
    .scalar_subquery()
)
_BLOBS_THERE = (
    select(
        RepositoryBlob.repository_id,
        Blob.digest,
        Blob.id,
        Blob.size,
        NamespaceBlob.blob_id.is_not(None).label("claimed"),
        _A_MANIFEST.is_not(None).label("needed"),
    )
    .join(Blob, Blob.id == RepositoryBlob.blob_id)
    .join(Repository, Repository.id == RepositoryBlob.repository_id)
    .outerjoin(
        NamespaceBlob,
        and_(NamespaceBlob.namespace_id == Repository.namespace_id, NamespaceBlob.blob_id == RepositoryBlob.blob_id),
    )
    .where(
        among(RepositoryBlob.repository_id, "repository_ids"),
        among(Blob.digest, "digests"),
        ~RepositoryBlob.hidden,
    )
    .with_for_update(read=True, key_share=True, of=RepositoryBlob)  # as the manifests' own rows will
)
# Locked against being deleted: children before the index is there to tell that it needs them, and manifests that are
# pushed again before the tags name them.
_MANIFESTS_THERE = (
    select(Manifest.repository_id, Manifest.digest, Manifest.id, Manifest.lifetime_s, Manifest.touched_at)
    .where(
        among(Manifest.repository_id, "repository_ids"),
        among(Manifest.digest, "digests"),
        Manifest.deleted_at.is_(None),
    )
    .order_by(Manifest.id)
    .with_for_update(read=True, key_share=True)
)


def _look_up(session: Session, pushes: list[ManifestPush]) -> list[_Needs]:
    """What the manifests refer to; blobs of foreign layers that are not here are left out. ManifestBlobUnknown."""
    blobs = _there(
        session, _BLOBS_THERE, {(push.repository.id, r.digest) for push in pushes for r in push.parsed.blobs}
    )
    children = _there(
        session, _MANIFESTS_THERE, {(push.repository.id, r.digest) for push in pushes for r in push.parsed.children}
    )
    needs = []
    for push in pushes:
        id_, parsed = push.repository.id, push.parsed
        missing = {r.digest for r in parsed.blobs if not r.foreign and (id_, r.digest) not in blobs}
        missing |= {r.digest for r in parsed.children if (id_, r.digest) not in children}
        if missing:
            raise ManifestBlobUnknown({"digests": sorted(missing)})
        found = [blobs[id_, r.digest] for r in parsed.blobs if (id_, r.digest) in blobs]
        below = [children[id_, r.digest] for r in parsed.children]
        unclaimed = {r.id: r.size for r in found if not r.claimed}
        grows = not all(r.needed for r in found)
        needs.append(_Needs(push, {r.id: r.size for r in found}, unclaimed, grows, {r.id: r.lifetime_s for r in below}))
    return needs


def _there(session: Session, query: Any, wanted: set[tuple[int, str]]) -> dict[tuple[int, str], Any]:
    """The rows of those of the wanted (repository id, digest) that are there."""
    if not wanted:
        return {}
    values = {"repository_ids": sorted({id_ for id_, _ in wanted}), "digests": sorted({digest for _, digest in wanted})}
    return {(row.repository_id, row.digest): row for row in session.run(query, values)}


def _served(session: Session, pushes: list[ManifestPush], protection_s: int) -> dict[tuple[int, str], int]:
    """The ids of those manifests that are served already, and protected from collection."""
    found = _there(session, _MANIFESTS_THERE, {push.key for push in pushes})
    return {
        push.key: found[push.key].id
        for push in pushes
        if push.key in found
        and still_protected(session, found[push.key].id, found[push.key].touched_at, protection_s=protection_s)
    }


def _claim(session: Session, needs: list[_Needs]) -> dict[Account, int]:
    """Note which blobs the manifests' namespaces need; the bytes that are new to each."""
    sizes: dict[Account, dict[int, int]] = {}
    for need in needs:
        sizes.setdefault(need.push.repository.namespace, {}).update(need.unclaimed)
    return {
        namespace: claim_blobs(session, namespace.id, sizes[namespace])
        for namespace in sorted(sizes, key=lambda account: account.id)
    }


_NAMED = ("repository_id", "digest", "id")
_AGAIN = {
    "key": ("repository_id", "digest"),
    "change": ("deleted_at", "touched_at", "settled", "lifetime_s"),
    "returning": _NAMED,
}


def _insert(session: Session, needs: list[_Needs], *, again: bool = False) -> dict[tuple[int, str], int]:
    """The ids of the manifests' rows that were inserted or, `again`, of all: those that are there are served again."""
    if not needs:
        return {}
    dialect = session.get_bind().dialect.name
    rows = [_row(need) for need in sorted(needs, key=lambda need: need.push.key)]
    insert = upsert(dialect, Manifest, **_AGAIN) if again else insert_or_leave(dialect, Manifest, returning=_NAMED)
    return {(row.repository_id, row.digest): row.id for row in session.run(insert, rows)}


def _refer(session: Session, needs: list[_Needs], ids: dict[tuple[int, str], int]) -> None:
    """Write down what the manifests with these ids refer to."""
    written = [(ids[need.push.key], need) for need in needs if need.push.key in ids]
    insert_new(session, ManifestBlob, [row for id_, need in written for row in _blob_rows(need, id_)])
    children = [{"parent_id": id_, "child_id": child_id} for id_, need in written for child_id in need.children]
    insert_new(session, ManifestChild, children)


def _blob_rows(need: _Needs, manifest_id: int) -> Iterator[dict[str, Any]]:
    repository = need.push.repository
    shared = {"manifest_id": manifest_id, "repository_id": repository.id, "namespace_id": repository.namespace_id}
    return ({**shared, "blob_id": blob_id} for blob_id in sorted(need.blobs))


def _row(need: _Needs) -> dict[str, Any]:
    push, parsed, moment = need.push, need.push.parsed, now()
    return {
        "repository_id": push.repository.id,
        "digest": push.digest,
        "media_type": parsed.media_type,
        "artifact_type": parsed.artifact_type,
        "config_media_type": parsed.config_media_type,
        "subject": parsed.subject,
        "annotations": parsed.annotations,
        "content": push.content,
        "size": len(push.content),
        "image_size": parsed.image_size,
        "is_index": parsed.is_index,
        "lifetime_s": need.lifetime_s,
        "created_at": moment,
        "deleted_at": None,
        "touched_at": moment,
        "settled": False,
    }
