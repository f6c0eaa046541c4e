"""Entries of pulls in the action log, written many at a time: those that differ in nothing but their moment are given
once, and the database makes as many rows of them."""

from functools import cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Insert,
    Integer,
    String,
    bindparam,
    column,
    func,
    insert,
    literal_column,
    select,
)

from models.log_counts import count_late
from models.session import Session
from models.tables import LogEntry

_GIVEN: dict[str, Any] = {
    "kind": String(),
    "namespace_id": Integer(),
    "repository_id": Integer(),
    "performer_id": Integer(),
    "performer": String(),
    "ip": String(),
    "detail": JSON(),
}


def insert_entries(session: Session, entries: list[dict[str, Any]]) -> int:
    """Write an entry for each of the `moments` (microseconds since 1970) of each that is given; how many."""
    count_late(session, entries)
    session.run(_insert(session.get_bind().dialect.name), entries)
    return sum(len(entry["moments"]) for entry in entries)


@cache
def _insert(dialect: str) -> Insert:
    moment: Any
    at: Any
    if dialect == "postgresql":
        moments = func.unnest(bindparam("moments", type_=ARRAY(BigInteger)))
        moment = moments.column_valued("moment")
        at = literal_column("TIMESTAMPTZ 'epoch'") + moment * literal_column("INTERVAL '1 microsecond'")
    else:  # in the form of SQLAlchemy's DateTime
        moment = func.json_each(bindparam("moments")).table_valued(column("value", BigInteger)).c.value
        second = func.strftime("%Y-%m-%d %H:%M:%S", moment // 1_000_000, "unixepoch", type_=String)
        at = second + func.printf(".%06d", moment % 1_000_000, type_=String)
    given = [bindparam(name, type_=type_) for name, type_ in _GIVEN.items()]
    return insert(LogEntry).from_select([*_GIVEN, "at"], select(*given, at))
