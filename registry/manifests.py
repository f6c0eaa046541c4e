"""Manifests in repositories: put, get, remove. A manifest is visible only with everything it refers to."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, func, or_, select, update

from models import audit
from models.access import Identity
from models.announcements import announce_push
from models.dialect import insert_new, upsert
from models.manifests import find_manifest, is_part_of_index
from models.quota import charge, claim_blobs
from models.session import Session
from models.tables import Account, Blob, Manifest, ManifestBlob, ManifestChild, Repository, RepositoryBlob, Tag
from models.tables.base import now
from models.tags import end_tags_of, now_ms, put_tag
from registry.errors import (
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestTypeUnsupported,
    ManifestUnknown,
)
from registry.manifest_format import InvalidManifest, ParsedManifest, Reference, UnknownMediaType, parse_manifest
from registry.names import Digest, RepositoryName
from registry.protection import still_protected


@dataclass(frozen=True)
class StoredManifest:
    """A manifest as served, and which row of which repository it is."""

    repository_id: int
    namespace_id: int
    digest: str
    media_type: str
    content: bytes


_SERVED = (
    select(Manifest.repository_id, Repository.namespace_id, Manifest.digest, Manifest.media_type)
    .join(Repository, Repository.id == Manifest.repository_id)
    .join(Account, Account.id == Repository.namespace_id)
    .where(Account.name == bindparam("namespace"), Repository.name == bindparam("name"), Manifest.deleted_at.is_(None))
)
MANIFEST_BY_DIGEST = _SERVED.where(Manifest.digest == bindparam("reference"))
MANIFEST_BY_TAG = _SERVED.join(Tag, Tag.manifest_id == Manifest.id).where(
    Tag.repository_id == Repository.id,
    Tag.name == bindparam("reference"),
    Tag.end_ms.is_(None),
    or_(Tag.expires_ms.is_(None), Tag.expires_ms > bindparam("now_ms")),
)
MANIFEST_CONTENT = select(Manifest.content).where(
    Manifest.repository_id == bindparam("repository_id"), Manifest.digest == bindparam("digest")
)


_WITH_CONTENT = {
    True: MANIFEST_BY_DIGEST.add_columns(Manifest.content),
    False: MANIFEST_BY_TAG.add_columns(Manifest.content),
}


def fetch_manifest(session: Session, name: RepositoryName, reference: Digest | str) -> StoredManifest:
    """The manifest that a tag or digest names; ManifestUnknown."""
    by_digest = isinstance(reference, Digest)
    query = _WITH_CONTENT[by_digest]
    values = {"namespace": name.namespace, "name": name.name, "reference": str(reference), "now_ms": now_ms()}
    row = session.run(query, values).first()
    if row is None:
        raise ManifestUnknown(_why_unknown(session, name, reference))
    return StoredManifest(row.repository_id, row.namespace_id, row.digest, row.media_type, row.content)


def parse_pushed(content: bytes, content_type: str | None, reference: Digest | str) -> tuple[Digest, ParsedManifest]:
    """The digest and meaning of a manifest as pushed; ManifestInvalid, ManifestTypeUnsupported, DigestInvalid."""
    try:
        parsed = parse_manifest(content, content_type)
    except UnknownMediaType as exc:
        raise ManifestTypeUnsupported(str(exc)) from exc
    except InvalidManifest as exc:
        raise ManifestInvalid(str(exc)) from exc
    algorithm = reference.algorithm if isinstance(reference, Digest) else "sha256"
    digest = Digest.of(content, algorithm)
    if isinstance(reference, Digest) and digest != reference:
        raise DigestInvalid({"digest": str(reference), "received": str(digest)})
    return digest, parsed


_PUSHED_BEFORE = (
    select(Manifest.id, Manifest.touched_at)
    .where(
        Manifest.repository_id == bindparam("repository_id"),
        Manifest.digest == bindparam("digest"),
        Manifest.deleted_at.is_(None),
    )
    .with_for_update(read=True, key_share=True)
)  # else it might be deleted before the tags name it
_BLOBS_THERE = (
    select(Blob.id, Blob.digest, Blob.size)
    .join(RepositoryBlob, RepositoryBlob.blob_id == Blob.id)
    .where(
        RepositoryBlob.repository_id == bindparam("repository_id"),
        Blob.digest.in_(bindparam("digests", expanding=True)),
    )
)
_AGAIN = {
    "key": ("repository_id", "digest"),
    "change": ("deleted_at", "touched_at", "settled", "lifetime_s"),
    "returning": "id",
}


def put_manifest(
    session: Session,
    repository: Repository,
    content: bytes,
    digest: Digest,
    parsed: ParsedManifest,
    *,
    tags: list[str],
    actor: Identity,
    lifetime_s: int | None = None,
    protection_s: int = 3600,
) -> None:
    """Store the manifest and let the tags name it. ManifestBlobUnknown tells everything it refers to in vain.

    QuotaExceeded if it needs more new bytes than the namespace may use. `protection_s`: for how long collection spares
    it although nothing may name it yet (PUSH_TEMP_TAG_EXPIRATION_SEC). `lifetime_s`: of the tags, from now on; that of
    an index is by default the one that all its images have.
    """
    sizes = _blob_sizes(session, repository, parsed.blobs)
    children = _children(session, repository, parsed.children)
    lifetimes = set(children.values())
    if lifetime_s is None and len(lifetimes) == 1:
        (lifetime_s,) = lifetimes
    found = session.run(_PUSHED_BEFORE, {"repository_id": repository.id, "digest": str(digest)}).first()
    id_, added = None, 0
    if found and still_protected(session, found.id, found.touched_at, protection_s=protection_s):
        id_ = found.id
    if id_ is None:
        added = claim_blobs(session, repository.namespace_id, sizes)
        row = _row(repository, content, digest, parsed, lifetime_s)
        id_ = _insert(session, repository, row, blob_ids=list(sizes), child_ids=list(children))
    for tag in tags:
        put_tag(session, repository, tag, id_, str(digest), actor=actor, lifetime_s=lifetime_s)
    named: dict[str, Any] = {"tag": tags[0]} if tags else {}
    audit.record(
        session,
        "push_repo",
        actor=actor,
        repository=repository,
        manifest_digest=str(digest),
        mediaType=parsed.media_type,
        **named,
    )
    announce_push(session, repository, tags, actor=actor)
    charge(session, repository.namespace, added)


def remove_manifest(session: Session, repository: Repository, digest: Digest, *, actor: Identity) -> None:
    """End the manifest's tags and serve it no longer; ManifestUnknown, TagImmutable if one of its tags is.

    Part of an index that is served, it stays reachable by digest: an index never misses a child.
    """
    manifest = find_manifest(session, repository.id, str(digest))
    if manifest is None:
        raise ManifestUnknown({"digest": str(digest)})
    session.execute(select(Manifest.id).where(Manifest.id == manifest.id).with_for_update())
    end_tags_of(session, repository, manifest, actor=actor)
    if not is_part_of_index(session, manifest):
        hidden = update(Manifest).where(Manifest.id == manifest.id).values(deleted_at=now(), settled=False)
        if session.scalar(hidden.returning(Manifest.id)) is None:  # collected at this moment
            raise ManifestUnknown({"digest": str(digest)})


def _row(
    repository: Repository, content: bytes, digest: Digest, parsed: ParsedManifest, lifetime_s: int | None
) -> dict[str, Any]:
    moment = now()
    return {
        "repository_id": repository.id,
        "digest": str(digest),
        "media_type": parsed.media_type,
        "artifact_type": parsed.artifact_type,
        "config_media_type": parsed.config_media_type,
        "subject": parsed.subject,
        "annotations": parsed.annotations,
        "content": content,
        "size": len(content),
        "image_size": parsed.image_size,
        "is_index": parsed.is_index,
        "lifetime_s": lifetime_s,
        "created_at": moment,
        "deleted_at": None,
        "touched_at": moment,
        "settled": False,
    }


def _insert(
    session: Session, repository: Repository, row: dict[str, Any], *, blob_ids: list[int], child_ids: list[int]
) -> int:
    """The id of the manifest's row, inserted or served again."""
    # Another push of it may be first, or an earlier one was deleted and comes back.
    id_: int = session.run(upsert(session.get_bind().dialect.name, Manifest, **_AGAIN), row).scalar_one()
    shared = {"manifest_id": id_, "repository_id": repository.id, "namespace_id": repository.namespace_id}
    insert_new(session, ManifestBlob, [{**shared, "blob_id": blob_id} for blob_id in blob_ids])
    insert_new(session, ManifestChild, [{"parent_id": id_, "child_id": child_id} for child_id in child_ids])
    return id_


def _blob_sizes(session: Session, repository: Repository, blobs: list[Reference]) -> dict[int, int]:
    """The ids of the blobs, and their bytes; those of foreign layers that are not here are left out."""
    wanted = {blob.digest: blob for blob in blobs}
    found = {
        row.digest: row for row in session.run(_BLOBS_THERE, {"repository_id": repository.id, "digests": list(wanted)})
    }
    missing = sorted(digest for digest, blob in wanted.items() if digest not in found and not blob.foreign)
    if missing:
        raise ManifestBlobUnknown({"digests": missing})
    return {row.id: row.size for row in sorted(found.values())}


def _children(session: Session, repository: Repository, children: list[Reference]) -> dict[int, int | None]:
    """The ids of the manifests, and the lifetime of each in seconds, if it has one."""
    wanted = {child.digest for child in children}
    query = select(Manifest.id, Manifest.digest, Manifest.lifetime_s).where(
        Manifest.repository_id == repository.id, Manifest.digest.in_(wanted), Manifest.deleted_at.is_(None)
    )
    # Locked against being deleted before the index is there to tell that it needs them.
    locked = query.order_by(Manifest.id).with_for_update(read=True, key_share=True)
    found = session.execute(locked).all() if wanted else []
    if missing := sorted(wanted - {row.digest for row in found}):
        raise ManifestBlobUnknown({"digests": missing})
    return {row.id: row.lifetime_s for row in found}


def _why_unknown(session: Session, name: RepositoryName, reference: Digest | str) -> dict[str, str]:
    """What to tell of a manifest that is not served; a tag that has ended says when."""
    if isinstance(reference, Digest):
        return {"digest": str(reference)}
    query = (
        select(func.max(func.coalesce(Tag.end_ms, Tag.expires_ms)))
        .join(Repository, Repository.id == Tag.repository_id)
        .join(Account, Account.id == Repository.namespace_id)
        .where(Account.name == name.namespace, Repository.name == name.name, Tag.name == reference)
    )
    ended = session.scalar(query)
    return {"tag": reference} | ({"ended_ms": str(ended)} if ended else {})
