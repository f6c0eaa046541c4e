"""Reads for hot paths: prepared SQL on one connection of the caller's own, without the ORM's cost for each query.

A Reader belongs to one thread. It sees every commit made before the query, like any other transaction.
"""

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Executable
from sqlalchemy.exc import SQLAlchemyError

from models.errors import Upstream
from models.libpq import Libpq
from models.prepared import Prepared, Rows, Values, run_sqlite
from models.queries import Query
from models.session import Database

log = logging.getLogger(__name__)

PAUSE_S = 1.0
"""How long a reader whose connection failed leaves the database alone."""
TIMEOUT_MS = 2000
T = TypeVar("T")


class Reader:
    """Runs prepared queries. Upstream if the database does not answer; the next call after a pause tries again."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Any = None
        self._run: Callable[[Prepared, list[Values]], Rows]
        self._failed_at = float("-inf")
        self._prepared: dict[Query[Any], Prepared] = {}
        self._error = database.engine.dialect.loaded_dbapi.Error
        self._bad_value = database.engine.dialect.loaded_dbapi.DataError

    def ask(self, query: Query[T], values: dict[str, Any]) -> list[T]:
        """What a session would find."""
        prepared = self._prepared.get(query)
        if prepared is None:
            prepared = self._prepared[query] = self.prepare(query.flat)
        return [query.built(row) for row in self.all(prepared, **values)]

    def prepare(self, query: Executable) -> Prepared:
        """A query for this database."""
        return Prepared(query, self._database.engine.dialect)

    def first(self, query: Prepared, **values: Any) -> Any:
        """The first row, as a tuple, or None."""
        return self.all(query, **values).first()

    def all(self, query: Prepared, **values: Any) -> Rows:
        """Every row."""
        if time.monotonic() - self._failed_at < PAUSE_S:
            raise Upstream("the database did not answer a moment ago")
        try:
            if self._connection is None:
                self._connection = self._connect()
            return self._run(query, [values])
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
            self._run = partial(run_sqlite, driver)
        else:
            driver.autocommit = True
            driver.execute(f"SET statement_timeout = {TIMEOUT_MS}")
            self._run = Libpq(driver).run
        return connection

    def close(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            try:
                connection.close()
            except self._error:
                log.debug("closing a broken connection failed, too")
