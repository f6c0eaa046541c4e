"""Ended tags that nobody can restore any more."""

from functools import partial

from sqlalchemy import BigInteger, cast, delete, exists, func, select, update

from models.build_cache import forget_unused
from models.session import Session
from models.tables import Account, Manifest, Repository, Tag
from models.tags import end_expired, now_ms
from registry.collection.run import Run

REPOSITORIES = 5000
"""Repositories whose history is looked up in one query: an index look-up each."""


def collect_tags(run: Run) -> None:
    """Forget the history that is older than its namespace keeps it, and what builds have not used for long."""
    run.slice(end_expired)
    run.repeat(partial(forget_unused, limit=run.terms.slice_size))
    position = 0
    while not run.stop():
        with run.database.read() as session:
            if position > (session.scalar(select(func.max(Repository.id))) or 0):
                return
            due = _due(session, position)
        for repository_id, before_ms in due:
            forget = partial(_forget, repository_id=repository_id, before_ms=before_ms, limit=run.terms.slice_size)
            run.collected.tags += run.repeat(forget)
        position += REPOSITORIES


def _due(session: Session, position: int) -> list[tuple[int, int]]:
    """Repositories with history to forget, and what ended before which moment (Unix time in milliseconds)."""
    before = now_ms() - cast(Account.tag_expiration_s, BigInteger) * 1000
    old = exists().where(Tag.repository_id == Repository.id, Tag.end_ms.is_not(None), Tag.end_ms < before)
    query = (
        select(Repository.id, before)
        .join(Account, Account.id == Repository.namespace_id)
        .where(Repository.id > position, Repository.id <= position + REPOSITORIES, old)
    )
    return [(id_, int(before_ms)) for id_, before_ms in session.execute(query)]


def _forget(session: Session, repository_id: int, before_ms: int, limit: int) -> int:
    query = (
        select(Tag.id, Tag.manifest_id)
        .where(Tag.repository_id == repository_id, Tag.end_ms.is_not(None), Tag.end_ms < before_ms)
        .order_by(Tag.end_ms)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = session.execute(query).all()
    session.execute(update(Manifest).where(Manifest.id.in_({row.manifest_id for row in rows})).values(settled=False))
    session.execute(delete(Tag).where(Tag.id.in_([row.id for row in rows])))
    return len(rows)
