"""Statements that are run without SQLAlchemy say what it would say."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import create_engine, select, text
from sqlalchemy.exc import IntegrityError, NoResultFound

from models.dialect import insert_new, insert_or_leave, upsert
from models.prepared import among
from models.session import Database
from models.tables import Base, Blob, LogEntry, Repository

_BLOBS = select(Blob.digest, Blob.size, Blob.created_at, Blob.loose).where(among(Blob.digest, "digests"))
_MOMENT = datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC)


def blob(name: str, size: int = 1) -> dict[str, object]:
    return {"digest": name, "size": size, "path": f"path/{name}"}


def test_values_come_back_as_they_went(database: Database) -> None:
    odd = 'a "quoted" \\ {name}, ünïcode'
    detail = {"tag": odd, "nothing": None}
    with database.write() as session:
        insert_new(
            session, Blob, [{**blob(odd), "created_at": _MOMENT}, {**blob("other", 2**40), "created_at": _MOMENT}]
        )
        insert_new(session, LogEntry, [{"kind": "x", "at": _MOMENT, "detail": detail}])
    with database.read() as session:
        rows = session.run(_BLOBS, {"digests": [odd, "nowhere"]})
        assert [tuple(row) for row in rows] == [(odd, 1, _MOMENT, False)]
        assert rows.one().created_at.tzinfo is not None
        assert session.run(_BLOBS, {"digests": []}) == []
        entry = session.run(select(LogEntry.at, LogEntry.detail, LogEntry.ip)).one()
        assert tuple(entry) == (_MOMENT, detail, None)


def test_an_insert_fills_in_what_is_not_given(database: Database) -> None:
    insert = insert_or_leave(database.engine.dialect.name, Blob, returning=("digest", "loose", "created_at"))
    with database.write() as session:
        found = session.run(insert, [blob("one"), blob("two"), blob("one")])
    assert sorted((row.digest, row.loose) for row in found) == [("one", False), ("two", False)]
    assert all(datetime.now(UTC).year == row.created_at.year for row in found)


def test_rows_are_changed_where_they_are_there(database: Database) -> None:
    with database.write() as session:
        insert_new(session, Blob, [blob("one")])
        change = upsert(database.engine.dialect.name, Blob, key=("digest",), change=("size",), returning=("size",))
        assert session.run(change, [blob("one", 5), blob("two", 6)]).scalars() == [5, 6]


def test_one_row_is_one_row(database: Database) -> None:
    with database.read() as session:
        none = session.run(_BLOBS, {"digests": ["nowhere"]})
        assert (none.first(), none.scalar()) == (None, None)
        with pytest.raises(NoResultFound):
            none.one()


def test_errors_are_sqlalchemys_own(database: Database) -> None:
    with pytest.raises(IntegrityError), database.write() as session:
        insert_new(session, Repository, [{"namespace_id": 9, "name": "n", "is_public": True}])


def test_what_is_among_a_list_is_found_by_an_index_on_sqlite() -> None:
    query = select(Repository.id).where(among(Repository.namespace_id, "ids"), among(Repository.name, "names"))
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    sql = str(query.compile(engine)).replace("?", "'[]'")
    with engine.connect() as connection:
        plan = str(connection.execute(text(f"EXPLAIN QUERY PLAN {sql}")).all())
    engine.dispose()
    assert "SEARCH repository USING COVERING INDEX" in plan
    assert "(namespace_id=? AND name=?)" in plan


def test_what_is_not_among_a_list(database: Database) -> None:
    others = select(Blob.digest).where(among(Blob.digest, "digests", inverted=True))
    with database.write() as session:
        insert_new(session, Blob, [blob("one"), blob("two")])
        assert session.run(others, {"digests": ["one", "nowhere"]}).scalars() == ["two"]
