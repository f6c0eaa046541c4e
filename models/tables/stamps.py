"""What changes whenever the rights in a namespace do: kept by the database itself, so by whoever changes them.

Triggers do it: a version of the program that knows nothing of stamps, a statement that goes round the ORM, and what
goes with the row that it refers to are noticed alike.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import Connection, String, event
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base

EVERYWHERE = 0
"""The id that stands for all namespaces."""


class AccessStamp(Base):
    """A text that no two states of a namespace share: of the permissions in its repositories and their names and
    visibility, of its teams' names and members, and of where its robots are. That of `EVERYWHERE` changes with
    what is shown of accounts.

    The id is no foreign key: the row is written while what it tells of is being deleted.
    """

    __tablename__ = "access_stamp"

    namespace_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    stamp: Mapped[str] = mapped_column(String(64))


class _Watched(NamedTuple):
    """A table, after which events on it stamps change, and whose: queries with `{row}` for the row, old or new."""

    table: str
    events: tuple[str, ...]
    whose: tuple[str, ...]


_ROBOTS_OWNER = "SELECT owner_id AS id FROM account WHERE id = {row}.account_id AND owner_id IS NOT NULL"
_WATCHED = (
    _Watched(
        "permission",
        ("insert", "update", "delete"),
        ("SELECT namespace_id AS id FROM repository WHERE id = {row}.repository_id", _ROBOTS_OWNER),
    ),
    _Watched(
        "team_member",
        ("insert", "update", "delete"),
        ("SELECT organization_id AS id FROM team WHERE id = {row}.team_id", _ROBOTS_OWNER),
    ),
    # What a deleted row takes along finds it no more.
    _Watched("repository", ("update of namespace_id, name, is_public", "delete"), ("SELECT {row}.namespace_id AS id",)),
    _Watched("team", ("update of organization_id, name", "delete"), ("SELECT {row}.organization_id AS id",)),
    _Watched("account", ("update of kind, name, email, uuid, owner_id",), (f"SELECT {EVERYWHERE} AS id",)),
)
_ROWS = {"insert": ("NEW",), "update": ("OLD", "NEW"), "delete": ("OLD",)}
_SQLITE = """
CREATE TRIGGER {name} AFTER {event} ON {table} BEGIN
  DELETE FROM access_stamp WHERE namespace_id IN ({whose});
  INSERT INTO access_stamp (namespace_id, stamp) SELECT id, hex(randomblob(16)) FROM ({whose});
END
"""
# A transaction writes each stamp once. The time is in it because numbers of transactions come again in a database that
# is restored.
_POSTGRESQL = """
CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO access_stamp (namespace_id, stamp)
  SELECT id, pg_current_xact_id() || '.' || extract(epoch FROM now()) FROM ({whose}) AS changed ORDER BY id
  ON CONFLICT (namespace_id) DO UPDATE SET stamp = excluded.stamp WHERE access_stamp.stamp <> excluded.stamp;
  RETURN NULL;
END $$
"""
_POSTGRESQL_TRIGGER = "CREATE OR REPLACE TRIGGER {name} AFTER {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()"


def install_stamps(connection: Connection) -> None:
    """Have the database keep stamps, as this version wants it. SQLite loses triggers when it makes a table anew."""
    for statement in _statements(connection.dialect.name):
        connection.exec_driver_sql(statement)


def _statements(dialect: str) -> Iterator[str]:
    for table, events, whose in _WATCHED:
        for each in events:
            kind = each.partition(" ")[0]
            name = f"stamp_{table}_{kind}"
            queries = [query.format(row=row) for row in _ROWS[kind] for query in whose]
            parts = {"name": name, "event": each, "table": table, "whose": " UNION ".join(queries)}
            if dialect == "sqlite":
                yield f"DROP TRIGGER IF EXISTS {name}"
                yield _SQLITE.format(**parts)
            else:
                yield _POSTGRESQL.format(**parts)
                yield _POSTGRESQL_TRIGGER.format(**parts)


@event.listens_for(Base.metadata, "after_create")
def _install(_: Any, connection: Connection, **__: Any) -> None:
    install_stamps(connection)
