"""Manifests in repositories: put, get, remove. A manifest is visible only with everything it refers to."""

from dataclasses import dataclass

from sqlalchemy import bindparam, func, or_, select, update

from models.access import Identity
from models.manifests import find_manifest, is_part_of_index
from models.session import Session
from models.tables import Account, Manifest, Repository, Tag
from models.tables.base import now
from models.tags import end_tags_of, now_ms
from registry.errors import (
    DigestInvalid,
    ManifestInvalid,
    ManifestTypeUnsupported,
    ManifestUnknown,
)
from registry.labels import NO_WISHES, Wishes
from registry.manifest_format import InvalidManifest, ParsedManifest, UnknownMediaType, parse_manifest
from registry.manifest_pushes import ManifestPush, put_manifests
from registry.names import Digest, RepositoryName
from registry.repositories import NAMESPACE, REPOSITORY


@dataclass(frozen=True)
class StoredManifest:
    """A manifest as served, and which row of which repository it is."""

    repository_id: int
    namespace_id: int
    digest: str
    media_type: str
    content: bytes


_SERVED = select(Manifest.repository_id, NAMESPACE.label("namespace_id"), Manifest.digest, Manifest.media_type).where(
    Manifest.deleted_at.is_(None)
)
MANIFEST_BY_DIGEST = _SERVED.where(Manifest.repository_id == REPOSITORY, Manifest.digest == bindparam("reference"))
MANIFEST_BY_TAG = _SERVED.join(Tag, Tag.manifest_id == Manifest.id).where(
    Tag.repository_id == REPOSITORY,
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


def put_manifest(
    session: Session,
    repository: Repository,
    content: bytes,
    digest: Digest,
    parsed: ParsedManifest,
    *,
    tags: list[str],
    actor: Identity,
    wishes: Wishes = NO_WISHES,
    protection_s: int = 3600,
) -> None:
    """Store the manifest and let the tags name it; see `put_manifests`."""
    push = ManifestPush(repository, content, str(digest), parsed, tags, actor, wishes)
    put_manifests(session, [push], protection_s=protection_s)


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
