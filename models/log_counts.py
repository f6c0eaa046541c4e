"""How much of what happened on which day, told without reading the log again.

The scheduler counts what has come to rest into `log_count`: entries older than `REST`, longer than any transaction
takes. What is younger is counted from the log itself, where it is minutes' worth. Pulls may be written later than that;
who writes them counts them along. Of performers only robots have counts: they do most, and people are many.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Date,
    Select,
    bindparam,
    cast,
    func,
    literal,
    literal_column,
    select,
    union_all,
    update,
)

from models.dialect import add_up, insert_new
from models.prepared import among
from models.session import Database, Session
from models.tables import LogCount, LogEntry, Round
from models.tables.base import now
from models.tables.logs import LogSubject

REST = timedelta(minutes=10)
ROBOT = "+"
"""What the names of robots, and no others, have in them."""
SLICE = 20_000
"""Entries that one transaction counts."""
_ROUND = "count the log"
_KEY = ("subject", "subject_id", "performer", "day", "kind")
_COLUMNS = {"namespace": LogEntry.namespace_id, "repository": LogEntry.repository_id}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1) // _MICROSECOND
_POSITION = select(Round.position).where(Round.name == _ROUND)
"""Until when entries are counted, in microseconds since 1970."""
T = TypeVar("T")


def counts_by_day(
    session: Session,
    subject: LogSubject,
    subject_id: int = 0,
    *,
    first: date,
    last: date,
    performer: str | None = None,
) -> dict[tuple[date, str], int]:
    """By (day, kind), how many entries there are of the subject; of a namespace also by what one performer did."""
    counted = select(LogCount.day, LogCount.kind, LogCount.number).where(
        LogCount.subject == subject,
        LogCount.subject_id == subject_id,
        LogCount.performer == (performer or ""),
        LogCount.day.between(first, last),
    )
    day = _day(session)
    young = select(day, LogEntry.kind, func.count()).where(LogEntry.at < midnight(last + timedelta(days=1)))
    if subject != "all":
        young = young.where(_COLUMNS[subject] == subject_id)
    if performer is not None:
        young = young.where(LogEntry.performer == performer)
    found: Counter[tuple[date, str]] = Counter()
    young = young.group_by(day, LogEntry.kind)
    if performer is None or ROBOT in performer:
        rows = _together(
            session, first, lambda since: session.execute(union_all(counted, young.where(LogEntry.at >= since))).all()
        )
    else:
        rows = session.execute(young.where(LogEntry.at >= midnight(first), _is_person(session))).all()
    for at, kind, number in rows:
        found[at, kind] += number
    return dict(found)


_TOTALS: CompoundSelect[int, int] = union_all(
    select(LogCount.subject_id.label("id"), cast(func.sum(LogCount.number), BigInteger).label("number"))
    .where(
        LogCount.subject == "repository",
        among(LogCount.subject_id, "repository_ids"),
        LogCount.day >= bindparam("first"),
    )
    .group_by(LogCount.subject_id),
    select(LogEntry.repository_id, func.count())
    .where(among(LogEntry.repository_id, "repository_ids"), LogEntry.at >= bindparam("since"))
    .group_by(LogEntry.repository_id),
)


def totals(session: Session, repository_ids: Collection[int], *, first: date) -> dict[int, int]:
    """How many entries each of the repositories has since the day `first`; those without any are left out."""
    values = {"repository_ids": list(repository_ids), "first": first}
    found: Counter[int] = Counter()
    for row in _together(session, first, lambda since: session.run(_TOTALS, {**values, "since": since})):
        found[row.id] += row.number
    return dict(found)


def counted_until(session: Session) -> datetime:
    """Until when entries are counted."""
    return _EPOCH + (session.scalar(_POSITION) or 0) * _MICROSECOND


def count_rested(database: Database, stop: Callable[[], bool] = lambda: False) -> None:
    """Count what has come to rest since the last time. Two at once wait for each other."""
    while not stop() and database.apply(_count_slice):
        pass


def count_late(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Count the log entries that this transaction is about to insert, as far as others of their time are counted.

    Each row is one for each of its `moments`, in microseconds since 1970.
    """
    counted_until = session.scalar(_POSITION.with_for_update(read=True))
    if counted_until is None:
        return
    late = [(row, moment // _DAY) for row in rows for moment in row["moments"] if moment < counted_until]
    counted: Counter[tuple[str, int, str, date, str]] = Counter()
    for row, days in late:
        day, kind = (_EPOCH + timedelta(days)).date(), row["kind"]
        counted["all", 0, "", day, kind] += 1
        if row["namespace_id"] is not None:
            counted["namespace", row["namespace_id"], "", day, kind] += 1
            if ROBOT in (row["performer"] or ""):
                counted["namespace", row["namespace_id"], row["performer"], day, kind] += 1
        if row["repository_id"] is not None:
            counted["repository", row["repository_id"], "", day, kind] += 1
    if counted:  # in one order, so that two at once do not wait for each other in a circle
        dialect = session.get_bind().dialect.name
        added = [{**dict(zip(_KEY, key, strict=True)), "number": number} for key, number in sorted(counted.items())]
        session.run(add_up(dialect, LogCount, key=_KEY, number="number"), added)


def midnight(day: date) -> datetime:
    """When the day begins, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _count_slice(session: Session) -> bool:
    """Count the next entries that have come to rest; whether there may be more."""
    insert_new(session, Round, [{"name": _ROUND, "position": 0, "due_at": now()}])
    rest = now() - REST
    start = _EPOCH + session.scalars(_POSITION.with_for_update()).one() * _MICROSECOND
    times = select(LogEntry.at).where(LogEntry.at >= start, LogEntry.at < rest).order_by(LogEntry.at)
    last = session.scalar(times.offset(SLICE).limit(1))
    end = rest if last is None else last + _MICROSECOND
    if end > start:
        dialect = session.get_bind().dialect.name
        for level in _levels(_day(session)):
            stretch = level.where(LogEntry.at >= start, LogEntry.at < end)
            session.execute(add_up(dialect, LogCount, key=_KEY, number="number", rows=stretch))
        position = (end - _EPOCH) // _MICROSECOND
        session.execute(update(Round).where(Round.name == _ROUND).values(position=position))
    return last is not None


def _levels(day: ColumnElement[date]) -> list[Select[Any]]:
    """What is inserted for each level, before it is limited to a stretch of time."""
    nobody, kind, number = literal(""), LogEntry.kind, func.count()
    namespace, performer, repository = LogEntry.namespace_id, LogEntry.performer, LogEntry.repository_id
    in_namespace = select(literal("namespace"), namespace)
    return [
        select(literal("all"), literal(0), nobody, day, kind, number).group_by(day, kind),
        in_namespace.add_columns(nobody, day, kind, number)
        .where(namespace.is_not(None))
        .group_by(namespace, day, kind),
        in_namespace.add_columns(performer, day, kind, number)
        .where(namespace.is_not(None), performer.contains(ROBOT))
        .group_by(namespace, performer, day, kind),
        select(literal("repository"), repository, nobody, day, kind, number)
        .where(repository.is_not(None))
        .group_by(repository, day, kind),
    ]


def _together(session: Session, first: date, find: Callable[[datetime], T]) -> T:
    """What is counted since the day `first`, and what is not, divided at one moment although another may be counting.

    `find` is given the time from which on nothing is counted yet.
    """
    reached = session.run(_POSITION).scalar() or 0
    while True:
        position = reached
        found = find(max(midnight(first), _EPOCH + position * _MICROSECOND))
        reached = session.run(_POSITION).scalar() or 0
        if reached == position:
            return found


def _is_person(session: Session) -> ColumnElement[bool]:
    """That the performer is no robot, in the words of the index that has people only."""
    place = func.instr if session.get_bind().dialect.name == "sqlite" else func.strpos
    return place(LogEntry.performer, literal_column("'+'")) == literal_column("0")


def _day(session: Session) -> ColumnElement[date]:
    # SQLite keeps UTC; PostgreSQL would use its own zone.
    in_utc = session.get_bind().dialect.name == "sqlite"
    return func.date(LogEntry.at if in_utc else func.timezone("UTC", LogEntry.at), type_=Date)
