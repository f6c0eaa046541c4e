"""Reads for hot paths: prepared SQL on one connection of the caller's own, without the ORM's cost for each query.

A Reader belongs to one thread. It sees every commit made before it is asked, like any other transaction.
"""

import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Executable
from sqlalchemy.exc import SQLAlchemyError

from models.errors import Upstream
from models.libpq import Libpq
from models.prepared import Ask, Prepared, Rows, run_sqlite
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
        self._run: Callable[[list[Ask]], list[Rows]]
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

    def all(self, query: Prepared, **values: Any) -> Rows:
        """Every row."""
        return self._answers([Ask(query, values)])[0]

    def at_once(self, asked: list[Ask]) -> list[Rows]:
        """Every row of each query, in one round trip. A question that comes twice is asked once; no value is a list."""
        different = {each.key: each for each in asked}
        found = dict(zip(different, self._answers(list(different.values())), strict=True))
        return [found[each.key] for each in asked]

    def _answers(self, asked: list[Ask]) -> list[Rows]:
        if time.monotonic() - self._failed_at < PAUSE_S:
            raise Upstream("the database did not answer a moment ago")
        try:
            if self._connection is None:
                self._connection = self._connect()
            return self._run(asked)
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
            self._run = lambda asked: [run_sqlite(driver, query, [values]) for query, values in asked]
        else:
            driver.autocommit = True
            driver.execute(f"SET statement_timeout = {TIMEOUT_MS}")
            self._run = Libpq(driver).ask
        return connection

    def close(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            try:
                connection.close()
            except self._error:
                log.debug("closing a broken connection failed, too")
