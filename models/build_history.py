"""Forgetting builds that ended long ago, with their logs.

Which build made an image is told as long as the image is there, and each repository keeps its newest builds. What
builds take steps from has rows of its own (models.build_cache).
"""

from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, exists, select, true
from sqlalchemy.orm import aliased

from models.builds import KIND
from models.session import Session
from models.tables import Build, Garbage, Job, Manifest

SLICE = 500
"""Builds that are looked at in one transaction."""


def forget_builds(
    session: Session, *, ended_before: datetime, newest: int, after: int = 0, limit: int = SLICE
) -> tuple[int, int | None]:
    """Forget those of the next few builds that ended before that moment, unless they are among a repository's `newest`.

    Their archived logs are left to collection, which tries until they are gone. `after`: the number of the job up to
    which builds were looked at; how many were forgotten, and where to go on, None at the end.
    """
    old = and_(Job.kind == KIND, Job.state == "finished", Job.finished_at < ended_before)
    looked_at = list(session.scalars(select(Job.id).where(old, Job.id > after).order_by(Job.id).limit(limit)))
    forgotten = _forget(session, and_(Job.id.in_(looked_at), _is_dispensable(newest))) if looked_at else 0
    return forgotten, looked_at[-1] if len(looked_at) == limit else None


def _forget(session: Session, which: ColumnElement[bool]) -> int:
    rows = session.execute(select(Job.id, Job.logs_path).join(Build, Build.job_id == Job.id).where(which)).all()
    session.add_all([Garbage(path=row.logs_path, size=0) for row in rows if row.logs_path])
    gone = delete(Job).where(Job.id.in_([row.id for row in rows]))  # and the build with it
    session.execute(gone.execution_options(synchronize_session=False))
    return len(rows)


def _is_dispensable(newest: int) -> ColumnElement[bool]:
    later = aliased(Build)
    same = and_(later.repository_id == Build.repository_id, later.id > Build.id)
    enough = select(later.id).where(same).offset(newest - 1).limit(1).exists() if newest else true()
    image = and_(Manifest.repository_id == Build.repository_id, Manifest.digest == Build.image_digest)
    is_there = exists().where(image, Manifest.deleted_at.is_(None))
    return and_(enough, ~is_there)
