"""Reads for hot paths: prepared SQL on one connection of the caller's own, without the ORM's cost for each query.

A Reader belongs to one thread. It sees every commit made before the query, like any other transaction.
"""

import logging
import time
from typing import Any, cast

from sqlalchemy import ClauseElement
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.sql.compiler import SQLCompiler

from models.errors import Upstream
from models.session import Database

log = logging.getLogger(__name__)

PAUSE_S = 1.0
"""How long a reader whose connection failed leaves the database alone."""
TIMEOUT_MS = 2000


class Prepared:
    """A query compiled once for the database it will run on."""

    def __init__(self, database: Database, query: ClauseElement) -> None:
        compiled = cast(SQLCompiler, query.compile(dialect=database.engine.dialect))
        self.sql = str(compiled)
        self._compiled = compiled
        self._positions = compiled.positiontup

    def arguments(self, values: dict[str, Any]) -> Any:
        """The values as the driver wants them."""
        named = self._compiled.construct_params(values)
        return named if self._positions is None else [named[name] for name in self._positions]


class Reader:
    """Runs prepared queries. Upstream if the database does not answer; the next call after a pause tries again."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Any = None
        self._failed_at = float("-inf")
        self._error = database.engine.dialect.loaded_dbapi.Error
        self._bad_value = database.engine.dialect.loaded_dbapi.DataError

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
            cursor = self._connection.dbapi_connection.execute(query.sql, query.arguments(values))
            return list(cursor.fetchall())
        except self._bad_value as exc:
            raise Upstream("the database does not take this value") from exc
        except (self._error, SQLAlchemyError) as exc:
            log.warning("a hot read failed: %s", type(exc).__name__)
            self._failed_at = time.monotonic()
            self.close()
            raise Upstream("the database does not answer") from exc

    def _connect(self) -> Any:
        connection = self._database.engine.raw_connection()
        connection.detach()
        if not self._database.is_sqlite:
            driver: Any = connection.dbapi_connection
            driver.autocommit = True
            driver.execute(f"SET statement_timeout = {TIMEOUT_MS}")
        return connection

    def close(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            try:
                connection.close()
            except self._error:
                log.debug("closing a broken connection failed, too")
