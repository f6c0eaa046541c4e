"""A SQLite database with all tables: made once for many tests, and emptied between them."""

import sqlite3
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Delete, event

from models.session import Database
from models.tables import Base
from models.vault import Vault

KEY = "a key that is long enough for a test"


def make_database(folder: Path) -> Database:
    """A database in the folder, with its tables. It does not wait for the disk: no test here pulls a plug."""
    database = Database(f"sqlite:///{folder / 'drydock.db'}", Vault([KEY]))

    @event.listens_for(database.engine, "connect")
    def prepare(connection: sqlite3.Connection, _: Any) -> None:
        connection.execute("PRAGMA synchronous = OFF")

    Base.metadata.create_all(database.engine)
    return database


def make_database_on(url: str) -> Database:
    """One on a PostgreSQL server, for the same tests."""
    database = Database(url, Vault([KEY]))
    Base.metadata.create_all(database.engine)
    return database


def empty(database: Database) -> None:
    """Delete every row."""
    with database.write() as session:
        for delete in _deletes():
            session.run(delete)


@cache
def _deletes() -> list[Delete]:
    return [table.delete() for table in reversed(Base.metadata.sorted_tables)]
