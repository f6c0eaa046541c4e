"""Brings the database to the tables of this program, whoever else is starting at the same moment."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, inspect, text

from models.session import Database
from models.tables import AccessStamp
from models.tables.stamps import install_stamps

# Any number that no other program locks in the same database: "drydock" in ASCII, its first four letters.
ADVISORY_LOCK = 0x64727964


class MigrationError(Exception):
    """The database is not what this program can bring up to date; the message says why."""


def upgrade(database: Database, revision: str = "head") -> list[str]:
    """Apply what is missing up to `revision`, all of it or nothing; the revisions applied. Safe to run concurrently."""
    if revision == "head" and not pending(database):
        return []
    with _exclusive(database) as connection:
        before = _applied(connection)
        _change(connection, command.upgrade, revision)
        return [applied for applied in _applied(connection) if applied not in before]


def downgrade(database: Database, revision: str) -> None:
    """Undo everything after `revision` ("base": everything), with the data that only later tables hold."""
    with _exclusive(database) as connection:
        _change(connection, command.downgrade, revision)


def check(database: Database) -> None:
    """MigrationError if the tables in the database are not those of the program."""
    with _exclusive(database) as connection:
        _run(connection, command.check)


def pending(database: Database) -> list[str]:
    """The revisions of this program that the database lacks, oldest first.

    None of a database that a newer program has brought further: revisions are safe for the version still running.
    """
    with database.engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_heads()
    script = ScriptDirectory.from_config(_config())
    known = [step.revision for step in script.walk_revisions()][::-1]
    if any(revision not in known for revision in current):
        return []
    applied = {step.revision for head in current for step in script.iterate_revisions(head, "base")}
    return [revision for revision in known if revision not in applied]


def _applied(connection: Connection) -> list[str]:
    current = MigrationContext.configure(connection).get_current_heads()
    script = ScriptDirectory.from_config(_config())
    return [step.revision for head in current for step in script.iterate_revisions(head, "base")][::-1]


def _config(connection: Connection | None = None) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "models:migrations")
    return config


def _change(connection: Connection, run: Callable[..., object], revision: str) -> None:
    _run(connection, run, revision)
    if inspect(connection).has_table(AccessStamp.__tablename__):
        install_stamps(connection)  # anew, for SQLite drops the triggers of a table that is made anew


def _run(connection: Connection, run: Callable[..., object], *arguments: str) -> None:
    try:
        run(_config(connection), *arguments)
    except CommandError as exc:
        raise MigrationError(f"the database was not brought up to date: {exc}") from exc


@contextmanager
def _exclusive(database: Database) -> Iterator[Connection]:
    """A transaction in which no other process changes the tables."""
    transaction = _sqlite if database.is_sqlite else _postgresql
    with database.engine.execution_options(writes=True).connect() as connection, transaction(connection):
        yield connection


@contextmanager
def _sqlite(connection: Connection) -> Iterator[None]:
    # To change a table SQLite makes it anew and drops the old one, which must not take the rows that refer to it along;
    # inside of a transaction the pragma would have no effect.
    driver: Any = connection.connection.driver_connection
    driver.execute("PRAGMA foreign_keys = OFF")
    try:
        with connection.begin():
            yield
            if broken := connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall():
                raise MigrationError(f"the migration would have left {len(broken)} rows that refer to nothing")
    finally:
        driver.execute("PRAGMA foreign_keys = ON")


@contextmanager
def _postgresql(connection: Connection) -> Iterator[None]:
    with connection.begin():
        connection.execute(text("SET LOCAL statement_timeout = '10min'"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
        # Rather give up than queue behind a long transaction, with every request of the running version behind us.
        connection.execute(text("SET LOCAL lock_timeout = '10s'"))
        yield
