"""How much happens in repositories, counted from the action log."""

from datetime import date, timedelta

from models.log_counts import counts_by_day, totals
from models.session import Session
from models.tables import Repository
from models.tables.base import now

POPULARITY_DAYS = 30
STATISTICS_DAYS = 91


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
