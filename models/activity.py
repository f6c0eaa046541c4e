"""How much happens in repositories, counted from the action log."""

from datetime import date, datetime, timedelta

from sqlalchemy import func, select

from models.session import Session
from models.tables import LogEntry, Repository
from models.tables.base import now

POPULARITY_DAYS = 30
STATISTICS_DAYS = 91


def popularity(session: Session, ids: list[int]) -> dict[int, float]:
    """How many actions each repository saw in the last month; those without any are left out."""
    if not ids:
        return {}
    query = (
        select(LogEntry.repository_id, func.count())
        .where(LogEntry.repository_id.in_(ids), LogEntry.at >= now() - timedelta(days=POPULARITY_DAYS))
        .group_by(LogEntry.repository_id)
    )
    return {repository_id: float(count) for repository_id, count in session.execute(query) if repository_id}


def daily_actions(session: Session, repository: Repository) -> list[tuple[date, int]]:
    """How many actions the repository saw on each day, yesterday first, for three months."""
    today = now().date()
    days = [today - timedelta(days=ago) for ago in range(1, STATISTICS_DAYS + 1)]
    start = datetime.combine(days[-1], datetime.min.time(), now().tzinfo)
    in_utc = session.get_bind().dialect.name == "sqlite"  # SQLite keeps UTC; PostgreSQL would use its own zone
    day = func.date(LogEntry.at) if in_utc else func.date(func.timezone("UTC", LogEntry.at))
    query = select(day, func.count()).where(LogEntry.repository_id == repository.id, LogEntry.at >= start).group_by(day)
    counts = {str(found): count for found, count in session.execute(query)}
    return [(each, counts.get(each.isoformat(), 0)) for each in days]
