"""Manifests as rows: finding them, and what they refer to."""

from itertools import accumulate

from sqlalchemy import exists, select
from sqlalchemy.orm import undefer

from models.errors import NotFound
from models.session import Session
from models.tables import Manifest, ManifestChild, Repository


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


def is_part_of_index(session: Session, manifest: Manifest) -> bool:
    """Whether an index that is still served names the manifest."""
    parent = exists().where(
        ManifestChild.child_id == manifest.id,
        ManifestChild.parent_id == Manifest.id,
        Manifest.deleted_at.is_(None),
    )
    return bool(session.scalar(select(parent)))


MOST_BYTES = 1 << 20
"""Of the manifests whose annotations are shown on one page, if there is more than one."""


def list_referrers(
    session: Session, repository_id: int, subject: str, artifact_type: str | None = None, *, after: int = 0, limit: int
) -> tuple[list[Manifest], bool]:
    """The served manifests whose subject is the digest, oldest first, from the one behind the id `after`.

    Also whether there are more: a page is full when it has `limit` of them, or their annotations may take much room.
    """
    which = [Manifest.repository_id == repository_id, Manifest.subject == subject, Manifest.deleted_at.is_(None)]
    if artifact_type is not None:
        which.append(Manifest.artifact_type == artifact_type)
    # Not by the id itself, or PostgreSQL might walk all manifests in the order of their ids to find these.
    query = select(Manifest.id, Manifest.size).where(*which, Manifest.id > after).order_by(Manifest.id + 0)
    found = session.execute(query.limit(limit + 1)).all()
    sums = accumulate(row.size for row in found)
    fit = [row.id for row, total in zip(found[:limit], sums, strict=False) if total <= MOST_BYTES]
    shown = fit or [row.id for row in found[:1]]
    manifests = session.scalars(select(Manifest).where(Manifest.id.in_(shown)).order_by(Manifest.id))
    return list(manifests), len(shown) < len(found)
