"""Queries that are built once, at import, and asked so often that what they cost counts.

`Session.ask` runs them by the ORM, like any other query, and what it finds are the session's own objects. In a session
that has a Reader they are prepared SQL instead, without the ORM and without the driver, and what is found belongs to no
session: an attribute that the query did not load raises instead of being loaded. Functions that ask do not notice.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, inspect
from sqlalchemy.orm import Mapper, make_transient_to_detached

T = TypeVar("T")


class Query(Generic[T]):
    """`statement` selects tables and columns; `make` is called with them for each row that is found.

    `bindparam` is what changes from one time to the next. No list of them may differ in length.
    """

    def __init__(self, statement: Select[*tuple[Any, ...]], make: Callable[..., T]) -> None:
        self.statement = statement
        self.make = make

    @cached_property
    def parts(self) -> Sequence["_Part"]:
        """What the statement selects."""
        return [_Part(described["expr"]) for described in self.statement.column_descriptions]

    @cached_property
    def flat(self) -> Select[*tuple[Any, ...]]:
        """The same with single columns only, in the order of `built`."""
        columns = [column for part in self.parts for column in part.columns]
        return self.statement.with_only_columns(*columns, maintain_column_froms=True)

    def built(self, row: Sequence[Any]) -> T:
        """What a row of `flat` is."""
        at = 0
        values = []
        for part in self.parts:
            until = at + len(part.columns)
            values.append(part.build(row[at:until]))
            at = until
        return self.make(*values)


class _Part:
    """A column, or a table whose row becomes an object."""

    def __init__(self, selected: Any) -> None:
        found = inspect(selected, raiseerr=False)
        self._mapper: Mapper[Any] | None = found if isinstance(found, Mapper) else None
        loaded = [each for each in self._mapper.column_attrs if not each.deferred] if self._mapper else []
        self._names = [each.key for each in loaded]
        self.columns: list[ColumnElement[Any]] = [each.columns[0] for each in loaded] if loaded else [selected]
        kind = self._mapper.polymorphic_on if self._mapper else None
        self._kind = None if kind is None else next(i for i, each in enumerate(self.columns) if each is kind)

    def build(self, values: Sequence[Any]) -> Any:
        mapper = self._mapper
        if mapper is None:
            return values[0]
        if values[0] is None:
            raise ValueError("an object without an id: outer joins select columns only")
        if self._kind is not None:
            mapper = mapper.polymorphic_map[values[self._kind]]
        made = mapper.class_manager.new_instance()
        made.__dict__.update(zip(self._names, values, strict=True))
        make_transient_to_detached(made)
        return made
