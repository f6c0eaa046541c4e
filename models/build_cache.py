"""What builds take steps over from: the image of an earlier build, kept in the registry although no tag may name it.

BuildKit writes into an image which steps made it. The row keeps that image from collection, for whichever engine the
next build runs on. Tags, their history, retention and prune policies know nothing of it.
"""

import hashlib
import json
from datetime import timedelta

from sqlalchemy import and_, delete, select, update

from models.dialect import insert_new
from models.session import Session
from models.tables import BuildCache, Manifest
from models.tables.base import now

KEPT_UNUSED = timedelta(days=7)


def cache_name(*inputs: str | None) -> str:
    """Builds of a repository that differ in one of these have little in common, so each has a place of its own."""
    return hashlib.sha256(json.dumps(inputs).encode()).hexdigest()


def use_cache(session: Session, repository_id: int, name: str) -> str | None:
    """The digest of the image to take steps from, which counts as used now; None if there is none."""
    mine = and_(BuildCache.repository_id == repository_id, BuildCache.name == name)
    served = select(Manifest.digest).join(BuildCache, BuildCache.manifest_id == Manifest.id)
    digest = session.scalar(served.where(mine, Manifest.deleted_at.is_(None)))
    if digest is not None:
        session.execute(update(BuildCache).where(mine).values(used_at=now()))
    return digest


def keep_cache(session: Session, repository_id: int, name: str, digest: str) -> None:
    """Let the next build take steps from this image, which was pushed just now, in place of the one before."""
    manifest = and_(Manifest.repository_id == repository_id, Manifest.digest == digest)
    id_ = session.scalar(select(Manifest.id).where(manifest))
    if id_ is None:
        return
    mine = and_(BuildCache.repository_id == repository_id, BuildCache.name == name)
    former = session.scalar(select(BuildCache.manifest_id).where(mine).with_for_update())
    row = {"repository_id": repository_id, "name": name, "manifest_id": id_, "used_at": now()}
    insert_new(session, BuildCache, [row])
    session.execute(update(BuildCache).where(mine).values(manifest_id=id_, used_at=now()))
    if former is not None and former != id_:
        session.execute(update(Manifest).where(Manifest.id == former).values(settled=False))


def forget_unused(session: Session, limit: int) -> int:
    """Let collection take the images that no build has used for a while; of how many."""
    old = select(BuildCache.id, BuildCache.manifest_id).where(BuildCache.used_at < now() - KEPT_UNUSED)
    rows = session.execute(old.order_by(BuildCache.used_at).limit(limit).with_for_update(skip_locked=True)).all()
    if rows:
        session.execute(
            update(Manifest).where(Manifest.id.in_({row.manifest_id for row in rows})).values(settled=False)
        )
        session.execute(delete(BuildCache).where(BuildCache.id.in_([row.id for row in rows])))
    return len(rows)
