"""How much happens in repositories, counted from the action log."""

from collections.abc import Callable
from datetime import date, timedelta

from sqlalchemy import BigInteger, Select, cast, func, select, update

from models.log_counts import counts_by_day, totals
from models.session import Database, Session
from models.tables import LogCount, Repository
from models.tables.base import now

POPULARITY_DAYS = 30
STATISTICS_DAYS = 91
RANKED_TOGETHER = 500
"""Repositories whose popularity one transaction notes."""


def popularity(session: Session, ids: list[int]) -> dict[int, float]:
    """How many actions each repository saw in the last month; those without any are left out."""
    if not ids:
        return {}
    first = now().date() - timedelta(days=POPULARITY_DAYS)
    return {repository_id: float(count) for repository_id, count in totals(session, ids, first=first).items()}


def daily_actions(session: Session, repository: Repository) -> list[tuple[date, int]]:
    """How many actions the repository saw on each day, yesterday first, for three months."""
    today = now().date()
    days = [today - timedelta(days=ago) for ago in range(1, STATISTICS_DAYS + 1)]
    counts = dict.fromkeys(days, 0)
    found = counts_by_day(session, "repository", repository.id, first=days[-1], last=days[0])
    for (day, _), number in found.items():
        counts[day] += number
    return list(counts.items())


def rank_repositories(database: Database, stop: Callable[[], bool] = lambda: False) -> None:
    """Note anew how popular repositories are that have become much more or much less so: searches go by it."""
    since = now().date() - timedelta(days=POPULARITY_DAYS)
    with database.read() as session:
        changed = [{"id": id_, "search_rank": -number} for id_, number in session.execute(_popularities(since))]
    for start in range(0, len(changed), RANKED_TOGETHER):
        if stop():
            return
        with database.write() as session:
            session.execute(update(Repository), changed[start : start + RANKED_TOGETHER])


def _popularities(since: date) -> Select[int, int]:
    """What happened since then in repositories whose noted popularity is off by more than a tenth."""
    counted = (
        select(LogCount.subject_id.label("id"), func.sum(LogCount.number).label("number"))
        .where(LogCount.subject == "repository", LogCount.day >= since)
        .group_by(LogCount.subject_id)
        .subquery()
    )
    present = cast(func.coalesce(counted.c.number, 0), BigInteger)
    off = func.abs(Repository.search_rank + present) * 10 > -Repository.search_rank
    return select(Repository.id, present).outerjoin(counted, counted.c.id == Repository.id).where(off)
