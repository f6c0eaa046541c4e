"""Manifests as rows: finding them, and what they refer to."""

from sqlalchemy import exists, select
from sqlalchemy.orm import undefer

from models.errors import NotFound
from models.session import Session
from models.tables import Blob, Manifest, ManifestBlob, ManifestChild, Repository


def find_manifest(session: Session, repository_id: int, digest: str, *, content: bool = False) -> Manifest | None:
    """The manifest, if it is served. `content`: load its bytes, too."""
    query = select(Manifest).where(
        Manifest.repository_id == repository_id, Manifest.digest == digest, Manifest.deleted_at.is_(None)
    )
    return session.scalar(query.options(undefer(Manifest.content)) if content else query)


def get_manifest(session: Session, repository: Repository, digest: str) -> Manifest:
    """The manifest with its bytes; NotFound. Quay operation getRepoManifest."""
    manifest = find_manifest(session, repository.id, digest, content=True)
    if manifest is None:
        raise NotFound("Not Found")
    return manifest


def blob_sizes(session: Session, manifest: Manifest) -> dict[str, int]:
    """The size in bytes of each blob that the manifest needs, by digest."""
    query = (
        select(Blob.digest, Blob.size)
        .join(ManifestBlob, ManifestBlob.blob_id == Blob.id)
        .where(ManifestBlob.manifest_id == manifest.id)
    )
    return {row.digest: row.size for row in session.execute(query)}


def is_part_of_index(session: Session, manifest: Manifest) -> bool:
    """Whether an index that is still served names the manifest."""
    parent = exists().where(
        ManifestChild.child_id == manifest.id,
        ManifestChild.parent_id == Manifest.id,
        Manifest.deleted_at.is_(None),
    )
    return bool(session.scalar(select(parent)))


def list_referrers(
    session: Session, repository_id: int, subject: str, artifact_type: str | None = None
) -> list[Manifest]:
    """The served manifests whose subject is the digest, oldest first."""
    query = select(Manifest).where(
        Manifest.repository_id == repository_id, Manifest.subject == subject, Manifest.deleted_at.is_(None)
    )
    if artifact_type is not None:
        query = query.where(Manifest.artifact_type == artifact_type)
    return list(session.scalars(query.order_by(Manifest.id)))
