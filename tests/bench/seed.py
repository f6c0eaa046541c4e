"""`python -m tests.bench seed`: a large installation in an empty PostgreSQL database, within a few minutes.

What is in it, and how unevenly, stands in `seed.sql`.
"""

import argparse
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from psycopg import Cursor
from sqlalchemy import Connection, Table, bindparam, select, text, update

from models import migrate
from models.activity import rank_repositories
from models.robots import TOKEN_LENGTH
from models.session import Database
from models.tables import Account, Base, LogEntry, Repository, RepositoryTerm, Robot, Tag
from models.terms import terms_of
from models.vault import Vault, new_token

_SQL = Path(__file__).with_name("seed.sql").read_text(encoding="utf-8")
_STATEMENT = re.compile(r"^-- make: ([^\n]+)\n(.+?);$", re.MULTILINE | re.DOTALL)
SECRET = "nothing of what is seeded here is secret"
"""The DATABASE_SECRET_KEY with which what is seeded can be read."""
_BUILT_AFTERWARDS = (LogEntry, Tag, RepositoryTerm)
"""Tables whose indexes are made when the rows are there."""
WORDS = """
admin agent alert alpine api app archive auth backend backup base batch billing blog bot bridge broker build cache
calendar cart catalog chat check client cloud cluster config connect console control core crawler cron dashboard data
db debug deploy dev dns docs edge email engine event export feed file filter flow forum frontend gateway git graph
grid guard health helper hook hub image import index ingest java job kernel key lab ledger legacy lib linux load lock
log mail map matrix media merge message metric mirror mobile model monitor network node notify object order page
parser patch payment pipe plan platform player policy portal print probe process profile proxy pulse python queue
radar random react record redis registry relay render report request resize router rule runner sample scan schema
scope script search secret sensor server service session shell signal site slack socket spark stack state static
storage store stream sync system table tag task team template test ticket timer token tool trace traffic tunnel update
upload user vault vector video view vision wallet watch web webhook widget wiki worker yard
"""


@dataclass(frozen=True)
class Amounts:
    """How much of everything."""

    users: int = 10_000
    organizations: int = 500
    robots: int = 4_000
    repositories: int = 100_000
    tags: int = 1_000_000
    tags_of_the_first: int = 10_000
    log_rows: int = 5_000_000

    def smaller(self, divisor: int) -> "Amounts":
        """A fraction of it."""
        return Amounts(**{name: max(amount // divisor, 10) for name, amount in vars(self).items()})


def main(arguments: Sequence[str]) -> None:
    """Fill the database that is named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench seed", description=__doc__)
    parser.add_argument("uri", help="postgresql://user:password@host/name, a database with nothing in it")
    parser.add_argument("--divisor", type=int, default=1, metavar="N", help="only one N-th of everything")
    given = parser.parse_args(arguments)
    database = Database(given.uri, Vault([SECRET]))
    migrate.upgrade(database)
    seed(database, Amounts().smaller(given.divisor) if given.divisor > 1 else Amounts())
    database.dispose()


def seed(database: Database, amounts: Amounts) -> None:
    """Fill the database, whose tables are there and empty."""
    begun = time.perf_counter()
    with database.engine.begin() as connection, _without_indexes(connection):
        connection.execute(text("SELECT setseed(0.5)"))
        connection.execute(_WORD_TABLE, {"list": WORDS.split()})
        for what, statement in _STATEMENT.findall(_SQL):
            with _told(what) as count:
                count.append(_execute(connection, statement, amounts))
        with _told("tokens of robots") as count:
            count.append(_give_tokens(connection, database.vault))
        with _told("terms of repositories") as count:
            count.append(_copy_terms(connection))
        for table in Base.metadata.sorted_tables:
            _set_sequence(connection, table)
    with _told("repositories ranked"):
        rank_repositories(database)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection, _told("vacuum"):
        connection.execute(text("VACUUM ANALYZE"))
    print(f"{time.perf_counter() - begun:.0f} s in all", flush=True)  # noqa: T201


_WORD_TABLE = text(
    "CREATE TEMPORARY TABLE word AS SELECT * FROM unnest(CAST(:list AS text[])) WITH ORDINALITY AS word (word, n)"
)


def _execute(connection: Connection, statement: str, amounts: Amounts) -> int:
    known = {**vars(amounts), "words": len(WORDS.split())}
    needed = {name: value for name, value in known.items() if re.search(rf"(?<!:):{name}\b", statement)}
    return connection.execute(text(statement), needed).rowcount


def _give_tokens(connection: Connection, vault: Vault) -> int:
    robots = connection.scalars(select(Robot.id)).all()
    giving = update(Account).where(Account.id == bindparam("robot")).values(encrypted_token=bindparam("token"))
    rows = [{"robot": robot, "token": vault.encrypt(new_token(TOKEN_LENGTH))} for robot in robots]
    return connection.execute(giving, rows).rowcount


def _copy_terms(connection: Connection) -> int:
    number = 0
    repositories = connection.execute(select(Repository.id, Repository.name, Repository.description)).all()
    cursor: Cursor = connection.connection.cursor()  # type: ignore[assignment] # psycopg's, as the engine says
    with cursor.copy("COPY repository_term (term, repository_id) FROM STDIN") as copy:
        for repository_id, name, description in repositories:
            for term in terms_of(name, description):
                copy.write_row((term, repository_id))
                number += 1
    return number


def _set_sequence(connection: Connection, table: Table) -> None:
    if "id" in table.c and table.c.id.autoincrement is not False:
        last = f"SELECT coalesce(max(id), 1) FROM {table.name}"  # a table of ours
        connection.execute(text(f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), ({last}))"))


@contextmanager
def _without_indexes(connection: Connection) -> Iterator[None]:
    tables = [mapped.__table__ for mapped in _BUILT_AFTERWARDS]
    indexes = [index for table in tables if isinstance(table, Table) for index in table.indexes]
    for index in indexes:
        index.drop(connection)
    yield
    with _told("indexes") as count:
        for index in indexes:
            index.create(connection)
        count.append(len(indexes))


@contextmanager
def _told(what: str) -> Iterator[list[int]]:
    begun = time.perf_counter()
    count: list[int] = []
    yield count
    number = f"{count[0]:,}" if count else ""
    print(f"{number:>12} {what}: {time.perf_counter() - begun:.1f} s", flush=True)  # noqa: T201
