"""What SQLite and PostgreSQL both can and say in two ways: `INSERT … ON CONFLICT`, look-ups by prefix, a full disk."""

import sqlite3
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, collate, func, true
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import InstrumentedAttribute

from models.session import Session
from models.tables import Base

LAST = "\U0010ffff"
"""What comes after all that text is made of."""
_DIALECTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_DISK_FULL = "53100"


def is_full(error: OperationalError) -> bool:
    """Whether the database has no room left on its disk."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    return code == sqlite3.SQLITE_FULL or getattr(error.orig, "sqlstate", None) == _DISK_FULL


def insert_new(session: Session, table: type[Base], rows: list[dict[str, Any]]) -> None:
    """Insert the rows that collide with none that is there; the others are left as they are."""
    if rows:
        session.run(insert_or_leave(session.get_bind().dialect.name, table), rows)


@lru_cache
def upsert(
    dialect: str, table: type[Base], *, key: tuple[str, ...], change: tuple[str, ...], returning: tuple[str, ...] = ()
) -> Any:
    """A statement, built once, that inserts rows or sets the columns `change` of those that have their `key`.

    It takes whole rows with different keys, and answers the columns `returning` of whichever rows they are, in no
    promised order. A row that another transaction is removing is waited for, so one way or the other all are there
    afterwards.
    """
    insert = _DIALECTS[dialect](table)
    changed = {name: insert.excluded[name] for name in change}
    statement = insert.on_conflict_do_update(index_elements=key, set_=changed)
    return statement.returning(*(getattr(table, name) for name in returning)) if returning else statement


@lru_cache
def add_up(
    dialect: str, table: type[Base], *, key: tuple[str, ...], number: str, rows: Select[Any] | None = None
) -> Any:
    """A statement that inserts rows, adding their `number` to that of the row that has the same `key`.

    `rows`: where they come from, key and number in this order, with a condition; else they are given when it runs.
    """
    insert = _DIALECTS[dialect](table)
    if rows is not None:
        insert = insert.from_select([*key, number], rows)
    summed = {number: getattr(table, number) + insert.excluded[number]}
    return insert.on_conflict_do_update(index_elements=key, set_=summed)


def begins_with(session: Session, column: InstrumentedAttribute[str], prefix: str) -> ColumnElement[bool]:
    """The condition that a text begins with `prefix`, in a form that uses an index in byte order.

    On PostgreSQL that is one with `text_pattern_ops`, whatever the database's locale.
    """
    if not prefix:
        return true()
    end = prefix + LAST
    if session.get_bind().dialect.name == "sqlite":
        return and_(column >= prefix, column < end)
    return and_(column.op("~>=~", is_comparison=True)(prefix), column.op("~<~", is_comparison=True)(end))


def lowers_plainly(session: Session, text: str) -> bool:
    """Whether to look for the text it is enough to lower letters of ASCII: PostgreSQL takes twice as long for all."""
    return text.isascii() and session.get_bind().dialect.name == "postgresql"


def lowered(column: ColumnElement[str], *, plain: bool) -> ColumnElement[str]:
    """The column in lower case; `plain`: as far as letters of ASCII go, on PostgreSQL."""
    return func.lower(collate(column, "C") if plain else column)


@lru_cache
def insert_or_leave(dialect: str, table: type[Base], *, returning: tuple[str, ...] = ()) -> Any:
    """A statement, built once, that inserts the rows that collide with none that is there.

    It answers the columns `returning` of the rows that were inserted, in no promised order.
    """
    insert = _DIALECTS[dialect](table).on_conflict_do_nothing()
    return insert.returning(*(getattr(table, name) for name in returning)) if returning else insert
