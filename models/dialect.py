"""`INSERT … ON CONFLICT`, which SQLite and PostgreSQL share and SQLAlchemy keeps in two places."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute

from models.session import Session
from models.tables import Base


def insert_new(session: Session, table: type[Base], rows: list[dict[str, Any]]) -> None:
    """Insert the rows that collide with none that is there; the others are left as they are."""
    if rows:
        session.execute(_insert(session, table).on_conflict_do_nothing(), rows)


def insert_new_returning(
    session: Session, table: type[Base], rows: list[dict[str, Any]], *columns: InstrumentedAttribute[Any]
) -> list[Any]:
    """The same in one statement, which tells the columns of the rows that were inserted."""
    if not rows:
        return []
    return list(session.execute(_insert(session, table).values(rows).on_conflict_do_nothing().returning(*columns)))


def upsert(
    session: Session,
    table: type[Base],
    row: dict[str, Any],
    *,
    key: Sequence[InstrumentedAttribute[Any]],
    change: dict[str, Any],
    returning: InstrumentedAttribute[Any],
) -> Any:
    """Insert the row, or `change` the one that has its `key`; the column `returning` of whichever it is.

    A row that another transaction is removing is waited for, so one way or the other the row is there afterwards.
    """
    insert = _insert(session, table).values(row)
    return session.scalar(
        insert.on_conflict_do_update(index_elements=list(key), set_=change).returning(returning),
        execution_options={"populate_existing": True},
    )


def _insert(session: Session, table: type[Base]) -> Any:
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    return insert(table)
