"""Statements that are built once and run often: compiled once, too, and run without SQLAlchemy's cost for each.

`Session.run` and `models.reader` run them; on PostgreSQL by `models.libpq`.
"""

import json
import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple, cast

from sqlalchemy import ClauseElement, ColumnElement, Dialect, Executable, bindparam
from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.exc import NoResultFound
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import Boolean

Values = dict[str, Any]


class Rows(list[Any]):
    """What a statement answers: named tuples."""

    def all(self) -> "Rows":
        return self

    def first(self) -> Any:
        """The first row, or None."""
        return self[0] if self else None

    def one(self) -> Any:
        """The only row."""
        if len(self) != 1:
            raise NoResultFound(f"expected one row, there are {len(self)}")
        return self[0]

    def scalars(self) -> list[Any]:
        """The first column."""
        return [row[0] for row in self]

    def scalar(self) -> Any:
        """The first column of the first row, or None."""
        return self[0][0] if self else None


class among(ColumnElement[bool]):  # noqa: N801  reads as the SQL that it is
    """That a column is one of a list of values (or none of them: `inverted`), which is given when the statement runs.

    The SQL is the same however many there are.
    """

    type = Boolean()
    inherit_cache = False
    _is_implicitly_boolean = True  # SQLite would be asked whether it is 1, and find it by no index

    def __init__(self, column: InstrumentedAttribute[Any], name: str, *, inverted: bool = False) -> None:
        super().__init__()
        self.column = column.expression
        self.values: ColumnElement[Any] = bindparam(name)
        self.inverted = inverted


@compiles(among, "sqlite")
def _among_sqlite(element: among, compiler: SQLCompiler, **options: Any) -> str:
    column, values = (compiler.process(each, **options) for each in (element.column, element.values))
    how = "NOT IN" if element.inverted else "IN"
    return f"{column} {how} (SELECT value FROM json_each({values}))"  # noqa: S608  all are SQLAlchemy's own


@compiles(among, "postgresql")
def _among_postgresql(element: among, compiler: SQLCompiler, **options: Any) -> str:
    column, values = (compiler.process(each, **options) for each in (element.column, element.values))
    return f"{column} {'<> ALL' if element.inverted else '= ANY'} ({values})"


class Prepared:
    """A statement compiled for a dialect. `columns`: of an INSERT, those that are given; defaults fill the others.

    `answers`: whether it has rows to answer.
    """

    def __init__(self, statement: Executable, dialect: Dialect, columns: Iterable[str] | None = None) -> None:
        self.is_sqlite = dialect.name == "sqlite"
        # That dialect writes parameters as PostgreSQL itself wants them: $1.
        target = dialect if self.is_sqlite else asyncpg.dialect()  # type: ignore[no-untyped-call]
        keys = None if columns is None else list(columns)
        compile_ = cast(ClauseElement, statement).compile
        compiled = cast(SQLCompiler, compile_(dialect=target, column_keys=keys, for_executemany=True))
        self.sql = str(compiled)
        writes = compiled.isinsert or compiled.isupdate or compiled.isdelete
        self.answers = not writes or bool(compiled.effective_returning)
        known = {name: bind.effective_value for bind, name in compiled.bind_names.items() if not bind.required}
        self._defaults: dict[str, Callable[[], Any]] = {name: partial(_same, value) for name, value in known.items()}
        self._defaults |= _defaults(compiled)
        binders: dict[str, Any] = dict(compiled._bind_processors)  # noqa: SLF001  as SQLAlchemy itself would
        self._parameters = [(name, binders.get(name)) for name in compiled.positiontup or []]
        types = [column.type for column in compiled._result_columns]  # noqa: SLF001  as above
        self.readers = [type_._cached_result_processor(target, None) for type_ in types]  # noqa: SLF001  as above
        self._row: Any = None

    def arguments(self, values: Values) -> list[Any]:
        """The values in their order, as the driver takes them."""
        found = []
        for name, bind in self._parameters:
            value = values[name] if name in values else self._defaults[name]()
            found.append(value if bind is None else bind(value))
        return found

    def rows(self, names: Callable[[], list[str]], found: Iterable[Iterable[Any]]) -> Rows:
        """What was found, as named tuples; `names` tells what the columns are called."""
        if self._row is None:
            self._row = namedtuple("Row", names(), rename=True)  # type: ignore[misc]  # which are not known before
        return Rows(map(self._row._make, found))


class Ask(NamedTuple):
    """A query, and the values to ask it with."""

    query: Prepared
    values: Values

    @property
    def key(self) -> tuple[Any, ...]:
        """The same for the same question."""
        return self.query, *self.values.values()


def _defaults(compiled: SQLCompiler) -> dict[str, Callable[[], Any]]:
    """What fills the columns of an INSERT that are not given."""
    found: dict[str, Callable[[], Any]] = {}
    for column in compiled.insert_prefetch:
        default: Any = column.default
        found[column.key] = partial(default.arg, None) if default.is_callable else partial(_same, default.arg)
    return found


def _same(value: Any) -> Any:
    return value


def run_sqlite(connection: sqlite3.Connection, prepared: Prepared, rows: list[Values]) -> Rows:
    """Run the statement with each of the rows' values; all that it answers."""
    arguments = [[_listed(value) for value in prepared.arguments(row)] for row in rows]
    if not prepared.answers:
        connection.executemany(prepared.sql, arguments)
        return Rows()
    found: list[Any] = []
    for values in arguments:
        cursor = connection.execute(prepared.sql, values)
        found += cursor.fetchall()
    if any(prepared.readers):
        found = [_as_python(prepared.readers, row) for row in found]
    return prepared.rows(lambda: [name for name, *_ in cursor.description], found)


def _as_python(readers: list[Any], row: Iterable[Any]) -> list[Any]:
    return [value if read is None else read(value) for read, value in zip(readers, row, strict=True)]


def _listed(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list) else value
