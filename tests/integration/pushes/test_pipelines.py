"""Statements that PostgreSQL is sent together: in their order, with all else that the transaction does."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import bindparam, select, text, update
from sqlalchemy.exc import IntegrityError, NotSupportedError, OperationalError

from models.dialect import insert_new, insert_or_leave
from models.errors import Upstream
from models.migrate import upgrade
from models.prepared import Ask, among
from models.reader import Reader
from models.session import Database
from models.tables import Account, Blob, LogEntry, Organization, Repository
from models.tables.base import now
from models.vault import Vault

_SIZES = select(Blob.digest, Blob.size, Blob.created_at, Blob.loose).where(among(Blob.digest, "digests"))
_GROW = update(Blob).where(Blob.digest == bindparam("which")).values(size=Blob.size + bindparam("more"))
_LOCK = select(Blob.id).where(Blob.digest == bindparam("which")).with_for_update()


@pytest.fixture
def database(fresh_postgres_url: str) -> Iterator[Database]:
    database = Database(fresh_postgres_url, Vault(["k" * 64]))
    upgrade(database)
    yield database
    database.dispose()


def blob(name: str, size: int = 1) -> dict[str, object]:
    return {"digest": name, "size": size, "path": f"path/{name}", "created_at": now()}


def sizes(database: Database, *names: str) -> dict[str, int]:
    with database.read() as session:
        return {row.digest: row.size for row in session.run(_SIZES, {"digests": list(names)})}


def test_what_waits_is_carried_out_in_its_order(database: Database) -> None:
    odd = 'a "quoted" \\ {name}, ünïcode'
    with database.write() as session:
        insert_new(session, Blob, [blob(odd), blob("other", 2**40)])
        session.run(_GROW, [{"which": odd, "more": 2}, {"which": odd, "more": 3}])
        assert session.scalar(select(Blob.size).where(Blob.digest == odd)) == 6  # by the driver
        session.add(Organization(name="acme"))
        session.flush()
        session.run(_GROW, {"which": odd, "more": 10})
        row = session.run(_SIZES, {"digests": [odd]}).one()
        assert (row.size, row.loose, row.created_at.utcoffset().total_seconds()) == (16, False, 0)
        session.run(_GROW, {"which": odd, "more": 100})
        insert_new(session, LogEntry, [{"kind": "x", "at": now(), "detail": {"a": [None, "ü"]}}])
    assert sizes(database, odd, "other", "nowhere") == {odd: 116, "other": 2**40}
    with database.read() as session:
        assert session.run(select(LogEntry.detail)).scalar() == {"a": [None, "ü"]}
        assert session.scalar(select(Account.name)) == "acme"


def test_what_is_undone_was_never_there(database: Database) -> None:
    returning = insert_or_leave("postgresql", Blob, returning=("digest",))

    def insert(*, answered: bool) -> None:
        with database.write() as session:
            if answered:
                assert session.run(returning, [blob("one")]).scalars() == ["one"]
            insert_new(session, Blob, [blob("two")])
            raise ZeroDivisionError

    for answered in (True, False):
        with pytest.raises(ZeroDivisionError):
            insert(answered=answered)
    with database.read() as session:
        insert_new(session, Blob, [blob("three")])
    assert sizes(database, "one", "two", "three") == {}


def test_an_error_comes_with_the_commit_at_last(database: Database) -> None:
    def insert(*, then_ask: bool) -> None:
        with database.write() as session:
            insert_new(session, Blob, [blob("one")])
            insert_new(session, Repository, [{"namespace_id": 9, "name": "n", "is_public": True}])
            if then_ask:
                session.run(_SIZES, {"digests": ["one"]})

    for then_ask in (True, False):
        with pytest.raises(IntegrityError):
            insert(then_ask=then_ask)
    assert sizes(database, "one") == {}
    with database.write() as session:
        insert_new(session, Blob, [blob("one")])
    assert sizes(database, "one") == {"one": 1}


def test_who_waits_for_a_lock_keeps_no_thread_from_working(database: Database) -> None:
    with database.write() as session:
        insert_new(session, Blob, [blob("one")])
    locked = threading.Event()

    def grow() -> None:
        locked.wait()
        with database.write() as session:
            session.run(_GROW, {"which": "one", "more": 10})

    with ThreadPoolExecutor() as pool:
        with database.write() as session:
            session.run(_LOCK, {"which": "one"})
            waiting = pool.submit(grow)
            locked.set()
            held = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
            while not session.scalar(held):
                assert not waiting.done()
            session.run(_GROW, {"which": "one", "more": 1})
        waiting.result(10)
    assert sizes(database, "one") == {"one": 12}


def test_a_lost_connection_is_replaced(database: Database) -> None:
    def insert(*, then_ask: bool) -> None:
        with database.write() as session:
            insert_new(session, Blob, [blob("one")])
            with database.read() as other:
                pid = session.scalar(text("SELECT pg_backend_pid()"))
                other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
            insert_new(session, Blob, [blob("two")])
            if then_ask:
                session.run(_SIZES, {"digests": []})

    for then_ask in (True, False):
        with pytest.raises(OperationalError):
            insert(then_ask=then_ask)
        assert sizes(database, "one", "two") == {}


def test_a_statement_outlives_a_change_of_its_table(database: Database) -> None:
    with database.write() as session:
        insert_new(session, Blob, [blob("one")])
    assert sizes(database, "one") == {"one": 1}
    with database.write() as session:
        session.execute(text("ALTER TABLE blob ALTER COLUMN digest TYPE text"))
    with pytest.raises(NotSupportedError):
        sizes(database, "one")
    assert sizes(database, "one") == {"one": 1}


def test_a_reader_takes_a_connection_that_has_run_statements(database: Database) -> None:
    assert sizes(database, "one") == {}
    reader = Reader(database)
    for query in (select(Blob.id), _SIZES):
        assert reader.all(reader.prepare(query), digests=["one"]) == []
    reader.close()


def test_a_reader_asks_many_questions_in_one_go(database: Database) -> None:
    with database.write() as session:
        insert_new(session, Blob, [blob("one", 1), blob("two", 2)])
    reader = Reader(database)
    query = reader.prepare(select(Blob.size, Blob.digest).where(Blob.digest == bindparam("which")))
    other = reader.prepare(select(Blob.digest).where(Blob.size > bindparam("least")).order_by(Blob.digest))
    asked = [Ask(query, {"which": name}) for name in ("one", "none", "two", "one")] + [Ask(other, {"least": 0})]
    expected = [[(1, "one")], [], [(2, "two")], [(1, "one")], [("one",), ("two",)]]
    assert reader.at_once(asked) == expected
    with pytest.raises(Upstream):
        reader.at_once([Ask(other, {"least": 0}), Ask(query, {"which": "\0"})])
    assert reader.at_once(asked) == expected  # the connection is as good as before
    reader.close()
