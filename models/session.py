"""Transactions: one for each operation, committed when its block ends, rolled back when it raises."""

import fcntl
import os
import select
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from sqlalchemy import URL, Connection, Engine, Executable, create_engine, event, orm
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, IntegrityError, InvalidatePoolError, OperationalError

from models.libpq import Libpq
from models.prepared import Ask, Prepared, Rows, Values, run_sqlite
from models.queries import Query
from models.vault import Vault

SQLITE_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # what was acknowledged survives a power cut, not only a crash of ours
    "PRAGMA foreign_keys = ON",
    "PRAGMA busy_timeout = 30000",
    "PRAGMA cache_size = -16000",
    "PRAGMA temp_store = MEMORY",
)


POSTGRES_PATIENCE = {"connect_timeout": 5, "tcp_user_timeout": 10_000, "keepalives_idle": 30}
"""A server that vanished without a word is given up after seconds, not minutes (libpq's own names and units)."""
# The driver would prepare statements by itself, and drop ours with its own whenever a transaction is rolled back.
_UNPREPARED = {"prepare_threshold": None}
_STALE = frozenset({"0A000", "26000"})
"""PostgreSQL's codes for a prepared statement whose table has changed, and for one that is not there any more."""

COLLISIONS = 3
_CONFLICTS = frozenset({"40P01", "40001"})
"""PostgreSQL's codes for a deadlock and for a transaction that must be repeated."""
T = TypeVar("T")
_prepared: dict[tuple[Any, ...], Prepared] = {}
"""By statement, dialect and the columns that are given. They live as long as the process."""


class Asked(Protocol):
    """What answers queries in the place of a session (models.reader)."""

    def ask(self, query: Query[T], values: dict[str, Any]) -> list[T]:
        """What is found at this moment."""


class Session(orm.Session):
    """A transaction, the vault and settings its functions need, and the jobs to wake when it has committed.

    `reader`, if there is one, answers what is asked by `ask`.
    """

    def __init__(
        self, bind: Engine, vault: Vault, *, quota_default: int | None = 0, reader: Asked | None = None
    ) -> None:
        super().__init__(bind, expire_on_commit=False)
        self.vault = vault
        self.quota_default = quota_default
        self.wakeups: list[tuple[str, str]] = []
        self._reader = reader

    def ask(self, query: Query[T], **values: Any) -> list[T]:
        """All that the query finds."""
        if self._reader is not None:
            return self._reader.ask(query, values)
        return [query.make(*row) for row in self.execute(query.statement, values)]

    def first(self, query: Query[T], **values: Any) -> T | None:
        """The first that the query finds, if any."""
        found = self.ask(query, **values)
        return found[0] if found else None

    def run(self, statement: Executable, rows: Values | list[Values] | None = None) -> Rows:
        """Run a statement that was built once, in this transaction but without SQLAlchemy: for hot paths.

        What the ORM has pending is not written first. On PostgreSQL a statement that answers nothing is carried out
        with the next one (`models.libpq`).
        """
        values = [rows or {}] if not isinstance(rows, list) else rows
        return run_prepared(self.connection(), statement, values) if values else Rows()

    def run_in_turn(self, *asked: tuple[Executable, Values]) -> list[Rows]:
        """What queries answer that were built once, one after the other: on PostgreSQL in one round trip."""
        return ask_prepared(self.connection(), asked)

    def keep_plans(self) -> None:
        """Let PostgreSQL make no plan of a prepared statement for its values, until this transaction ends.

        It would make one each time where it takes a list for longer than it is, which costs more than to run it.
        """
        connection = self.connection()
        if connection.dialect.name == "postgresql":
            _libpq(connection).keep_plans()

    def wake(self, queue: str, job_uuid: str) -> None:
        """Send a worker to the job once this transaction has committed."""
        self.wakeups.append((queue, job_uuid))


class Database:
    """The engine and how transactions on it begin.

    `on_wake` is called with (queue, job uuid) for each job enqueued by a transaction, after its commit.
    `quota_default`: bytes that a namespace without a quota may use; 0: as many as it likes; None: no quota counts.
    """

    def __init__(
        self,
        uri: str,
        vault: Vault,
        *,
        pool_size: int = 16,
        connect_args: dict[str, Any] | None = None,
        on_wake: Callable[[str, str], None] | None = None,
        quota_default: int | None = 0,
    ) -> None:
        self.vault = vault
        self.quota_default = quota_default
        self.on_wake = on_wake
        url = make_url(uri)
        self.is_sqlite = url.get_backend_name() == "sqlite"
        if url.get_backend_name() == "postgresql" and url.drivername == "postgresql":
            url = url.set(drivername="postgresql+psycopg")
        arguments = connect_args or {}
        make_engine = _sqlite_engine if self.is_sqlite else _postgres_engine
        self.engine = make_engine(url, pool_size, arguments)
        self._writer = self.engine.execution_options(writes=True)
        self._turnstile = (
            _Turnstile(Path(f"{url.database}.lock"))
            if self.is_sqlite and url.database not in (None, "", ":memory:")
            else None
        )

    @contextmanager
    def read(self, reader: Asked | None = None) -> Iterator[Session]:
        """A transaction that changes nothing: it is rolled back at the end. What is asked of `reader` has its own."""
        with Session(self.engine, self.vault, quota_default=self.quota_default, reader=reader) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A transaction that commits when the block ends. Never wait for anything but the database inside of it."""
        with Session(self._writer, self.vault, quota_default=self.quota_default) as session:
            if self._turnstile:
                with self._turnstile.held(), session.begin():
                    yield session
            else:
                with session.begin():
                    yield session
            wakeups = session.wakeups
        if self.on_wake:
            for queue, uuid in wakeups:
                self.on_wake(queue, uuid)

    def apply(self, work: Callable[[Session], T]) -> T:
        """Do `work` in a transaction that commits, again if another one did the same thing at the same moment.

        For work that is safe to repeat from the start: what it collided with is then there to be found, or gone.
        """
        for _ in range(COLLISIONS):
            try:
                with self.write() as session:
                    return work(session)
            except IntegrityError:
                continue
            except OperationalError as exc:
                if getattr(exc.orig, "sqlstate", None) not in _CONFLICTS:
                    raise
        with self.write() as session:
            return work(session)

    def dispose(self) -> None:
        self.engine.dispose()
        if self._turnstile:
            self._turnstile.close()


class _Turnstile:
    """Lets one SQLite writer in at a time, across threads and processes, woken by the kernel in turn.

    SQLite alone would poll for its lock with growing pauses, which starves writers under load.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._free: list[int] = []
        self._pid = os.getpid()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Wait for the turn, and give it up at the end."""
        fd = self._open()
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            fcntl.flock(fd, fcntl.LOCK_UN)
            self._free.append(fd)

    def close(self) -> None:
        while self._free:
            os.close(self._free.pop())

    def _open(self) -> int:
        """The file, opened for one writer: writers that share an opening would not wait for each other."""
        if self._pid != os.getpid():  # what was opened before a fork is shared with the parent
            self._free, self._pid = [], os.getpid()
        try:
            return self._free.pop()
        except IndexError:
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def run_prepared(connection: Connection, statement: Executable, rows: list[Values]) -> Rows:
    """See `Session.run`. Errors are those that SQLAlchemy would raise."""
    prepared = _announced(connection, statement, rows)
    with _raised_as_by_sqlalchemy(connection):
        if prepared.is_sqlite:
            return run_sqlite(cast(Any, connection.connection.dbapi_connection), prepared, rows)
        return _libpq(connection).run(prepared, rows)


def ask_prepared(connection: Connection, asked: Sequence[tuple[Executable, Values]]) -> list[Rows]:
    """See `Session.run_in_turn`. Errors are those that SQLAlchemy would raise."""
    asks = [Ask(_announced(connection, statement, [values]), values) for statement, values in asked]
    with _raised_as_by_sqlalchemy(connection):
        if connection.dialect.name == "sqlite":
            driver = cast(Any, connection.connection.dbapi_connection)
            return [run_sqlite(driver, prepared, [values]) for prepared, values in asks]
        return _libpq(connection).ask(asks)


def _announced(connection: Connection, statement: Executable, rows: list[Values]) -> Prepared:
    """The statement for this database. Whoever listens to the statements hears of it; there is no cursor."""
    dialect = connection.dialect
    columns = tuple(rows[0])
    prepared = _prepared.get((statement, dialect.name, columns))
    if prepared is None:
        prepared = _prepared[statement, dialect.name, columns] = Prepared(statement, dialect, columns)
    connection.dispatch.before_cursor_execute(connection, None, prepared.sql, None, None, len(rows) > 1)
    return prepared


def _libpq(connection: Connection) -> Libpq:
    """What runs statements on the connection: one for as long as that is in the pool."""
    driver: Any = connection.connection.dbapi_connection
    info = connection.info
    known: Libpq | None = info.get(Libpq)
    if known is None or known.serves is not driver:
        known = info[Libpq] = Libpq(driver)
    return known


@contextmanager
def _raised_as_by_sqlalchemy(connection: Connection) -> Iterator[None]:
    dialect = connection.dialect
    driver_error = dialect.loaded_dbapi.Error
    try:
        yield
    except driver_error as exc:
        lost = dialect.is_disconnect(exc, connection.connection.dbapi_connection, None)
        lost = lost or getattr(exc, "sqlstate", None) in _STALE
        if lost:
            connection.invalidate(exc)
        raise DBAPIError.instance(
            "", None, exc, driver_error, hide_parameters=True, connection_invalidated=lost, dialect=dialect
        ) from exc


def _sqlite_engine(url: URL, pool_size: int, connect_args: dict[str, Any]) -> Engine:
    arguments = {"check_same_thread": False, **connect_args}
    engine = create_engine(url, pool_size=pool_size, max_overflow=20, connect_args=arguments, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        for pragma in SQLITE_PRAGMAS:
            connection.execute(pragma)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that reads first and writes later cannot wait for the lock, so writers take it at once.
        immediate = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def _postgres_engine(url: URL, pool_size: int, connect_args: dict[str, Any]) -> Engine:
    engine = create_engine(
        url,
        pool_size=pool_size,
        pool_use_lifo=True,  # those used last have their statements prepared
        connect_args=POSTGRES_PATIENCE | _UNPREPARED | connect_args,
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: DBAPIConnection, _: object) -> None:
        # Where its estimates are wrong, as for tables that are new, PostgreSQL would spend half a second on compiling
        # a query that takes a millisecond.
        connection.autocommit = True
        connection.cursor().execute("SET jit = off")
        connection.autocommit = False

    @event.listens_for(engine, "checkout")
    def look(connection: Any, *_: object) -> None:
        # A server that has ended a connection has told so, and nothing else is unasked for. Asking it something first
        # would cost as much as most transactions do.
        unread = select.poll()
        unread.register(connection.fileno(), select.POLLIN)
        if unread.poll(0):
            raise InvalidatePoolError

    _send_in_time(engine)
    return engine


def _send_in_time(engine: Engine) -> None:
    """Have statements that wait on a connection carried out before what comes after them."""

    @event.listens_for(engine, "before_cursor_execute")
    def send_first(connection: Connection, cursor: object, *_: object) -> None:
        if cursor is not None and (known := connection.info.get(Libpq)):
            with _raised_as_by_sqlalchemy(connection):
                known.send_waiting()

    @event.listens_for(engine, "commit")
    def commit(connection: Connection) -> None:
        if known := connection.info.get(Libpq):
            with _raised_as_by_sqlalchemy(connection):
                known.commit()

    @event.listens_for(engine, "rollback")
    def forget(connection: Connection) -> None:
        if not connection.invalidated and (known := connection.info.get(Libpq)):
            known.forget_waiting()
