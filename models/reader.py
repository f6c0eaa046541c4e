"""Reads for hot paths: prepared SQL on one connection of the caller's own, without the ORM's cost for each query.

On PostgreSQL not even the driver's: a query is one call of libpq, which takes a fifth of the time. A Reader belongs to
one thread. It sees every commit made before the query, like any other transaction.
"""

import json
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar, cast

from psycopg import pq
from psycopg.errors import error_from_result
from sqlalchemy import ClauseElement, Dialect, Select
from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.compiler import SQLCompiler

from models.errors import Upstream
from models.queries import Query
from models.session import Database

log = logging.getLogger(__name__)

PAUSE_S = 1.0
"""How long a reader whose connection failed leaves the database alone."""
TIMEOUT_MS = 2000
TEXT, BINARY = 0, 1
T = TypeVar("T")


class Prepared:
    """A query compiled once for the database it will run on."""

    def __init__(self, database: Database, query: ClauseElement) -> None:
        # That dialect writes parameters as PostgreSQL itself wants them: $1.
        dialect = database.engine.dialect if database.is_sqlite else asyncpg.dialect()  # type: ignore[no-untyped-call]
        compiled = cast(SQLCompiler, query.compile(dialect=dialect))
        self.sql = str(compiled)
        self._compiled = compiled
        self._positions = compiled.positiontup or []
        self._types = _sqlite_types(query, dialect) if database.is_sqlite else []

    def arguments(self, values: dict[str, Any]) -> list[Any]:
        """The values in their order."""
        named = self._compiled.construct_params(values)
        return [named[name] for name in self._positions]

    def read(self, row: Sequence[Any]) -> Sequence[Any]:
        """A row as the columns' types have it: SQLite knows no times, truth and JSON."""
        if not self._types:
            return row
        return [read(value) if read else value for read, value in zip(self._types, row, strict=True)]


def _sqlite_types(query: ClauseElement, dialect: Dialect) -> list[Callable[[Any], Any] | None]:
    selected = query.selected_columns if isinstance(query, Select) else ()
    return [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in selected]


class Reader:
    """Runs prepared queries. Upstream if the database does not answer; the next call after a pause tries again."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Any = None
        self._run: Callable[[Prepared, list[Any]], list[Any]]
        self._failed_at = float("-inf")
        self._prepared: dict[Query[Any], Prepared] = {}
        self._error = database.engine.dialect.loaded_dbapi.Error
        self._bad_value = database.engine.dialect.loaded_dbapi.DataError

    def ask(self, query: Query[T], values: dict[str, Any]) -> list[T]:
        """What a session would find."""
        prepared = self._prepared.get(query)
        if prepared is None:
            prepared = self._prepared[query] = Prepared(self._database, query.flat)
        rows = self.all(prepared, **values)
        return [query.built(prepared.read(row)) for row in rows]

    def first(self, query: Prepared, **values: Any) -> Any:
        """The first row, as a tuple, or None."""
        rows = self.all(query, **values)
        return rows[0] if rows else None

    def all(self, query: Prepared, **values: Any) -> list[Any]:
        """Every row."""
        if time.monotonic() - self._failed_at < PAUSE_S:
            raise Upstream("the database did not answer a moment ago")
        try:
            if self._connection is None:
                self._connection = self._connect()
            return self._run(query, query.arguments(values))
        except self._bad_value as exc:
            raise Upstream("the database does not take this value") from exc
        except (self._error, SQLAlchemyError) as exc:
            log.warning("a hot read failed: %s", type(exc).__name__)
            self._failed_at = time.monotonic()
            self.close()
            raise Upstream("the database does not answer") from exc

    def _connect(self) -> Any:
        connection: Any = self._database.engine.raw_connection()
        connection.detach()
        driver = connection.dbapi_connection
        if self._database.is_sqlite:
            self._run = partial(_run_sqlite, driver)
        else:
            driver.autocommit = True
            driver.execute(f"SET statement_timeout = {TIMEOUT_MS}")
            self._run = _Libpq(driver.pgconn).run
        return connection

    def close(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            try:
                connection.close()
            except self._error:
                log.debug("closing a broken connection failed, too")


def _run_sqlite(connection: sqlite3.Connection, query: Prepared, arguments: list[Any]) -> list[Any]:
    return connection.execute(query.sql, arguments).fetchall()


class _Libpq:
    """Runs queries on a connection that is used for nothing else and commits by itself."""

    def __init__(self, connection: pq.abc.PGconn) -> None:
        self._connection = connection
        self._names: dict[str, bytes] = {}

    def run(self, query: Prepared, arguments: list[Any]) -> list[Any]:
        """Every row. psycopg.Error, as the driver would raise it."""
        name = self._names.get(query.sql) or self._prepare(query.sql)
        values = [None if value is None else str(value).encode() for value in arguments]
        formats = [BINARY if isinstance(value, str) else TEXT for value in arguments]
        # None is NULL; psycopg's types do not say so.
        result = self._checked(self._connection.exec_prepared(name, cast(list[bytes], values), formats, BINARY))
        decoders = [_DECODERS[result.ftype(column)] for column in range(result.nfields)]
        return [
            tuple(_decoded(decode, result.get_value(row, column)) for column, decode in enumerate(decoders))
            for row in range(result.ntuples)
        ]

    def _prepare(self, sql: str) -> bytes:
        name = self._names[sql] = f"hot_{len(self._names)}".encode()
        self._checked(self._connection.prepare(name, sql.encode()))
        return name

    def _checked(self, result: pq.abc.PGresult) -> pq.abc.PGresult:
        if result.status in (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK):
            return result
        raise error_from_result(result)


def _decoded(decode: Callable[[bytes], Any], value: bytes | None) -> Any:
    return None if value is None else decode(value)


_WHOLE = partial(int.from_bytes, byteorder="big", signed=True)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def _moment(value: bytes) -> datetime:
    return _EPOCH + timedelta(microseconds=_WHOLE(value))


_DECODERS: dict[int, Callable[[bytes], Any]] = {
    16: lambda value: value == b"\x01",  # boolean
    17: bytes,  # bytea
    20: _WHOLE,  # bigint
    23: _WHOLE,  # integer
    25: bytes.decode,  # text
    114: json.loads,  # json
    1043: bytes.decode,  # character varying
    1184: _moment,  # timestamp with time zone
}
"""By the type's number (pg_type.oid): how it reads in PostgreSQL's binary form."""
