"""Search on PostgreSQL: the same answers, by the indexes that are made for it."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import event, text

from models import entities, migrate, search
from models.access import Identity
from models.repositories import create_repository
from models.session import Database, Session
from models.vault import Vault
from tests.factories.database import KEY
from tests.factories.world import make_world

MORE_USERS = """
INSERT INTO account (uuid, kind, name, enabled, created_at, tag_expiration_s, invoice_email, verified, superuser,
                     failed_logins)
SELECT 'u' || i, 'user', 'user' || i, true, now(), 0, false, true, false, 0 FROM generate_series(1, 2000) AS i
"""


@pytest.fixture
def database(fresh_postgres_url: str) -> Iterator[Database]:
    database = Database(fresh_postgres_url, Vault([KEY]))
    migrate.upgrade(database)
    yield database
    database.dispose()


@pytest.fixture
def callers(database: Database) -> dict[str, Identity]:
    with database.write() as session:
        callers = make_world(session)
        for name, description in (("my-frontend", "Shows the Shop"), ("web", ""), ("old-web", "")):
            create_repository(session, "acme", name, actor=callers["owner"], public=True, description=description)
    return callers


@pytest.mark.parametrize("few", [0, search.FEW])
def test_repositories_are_found_by_those_who_may_see_them(
    database: Database, callers: dict[str, Identity], few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "FEW", few)

    def found(query: str, by: str) -> list[str]:
        with database.read() as session:
            return [each.name for each in search.find_repositories(session, callers[by], query, limit=10)]

    assert found("ront", "anonymous") == found("the shop", "stranger") == ["my-frontend"]
    assert found("eb", "anonymous") == ["web", "old-web"]
    assert found("acme/ap", "reader") == found("app", "almighty") == ["app"]
    assert found("app", "stranger") == found("app", "anonymous") == found("%", "reader") == []
    assert found("", "anonymous") == ["public", "my-frontend", "web", "old-web"]


def test_names_are_found_by_their_beginning(database: Database, callers: dict[str, Identity]) -> None:
    with database.read() as session:
        assert [user.name for user in entities.find_users(session, "re", limit=9)] == ["reader", "repo-admin"]
        assert entities.find_users(session, "r%", limit=9) == []
        namespaces = entities.find_namespaces(session, callers["stranger"], "ac", limit=9)
        assert [namespace.name for namespace in namespaces] == ["acme"]
        robots = entities.find_own_robots(session, callers["owner"], "ro", limit=9)
        assert [robot.name for robot in robots] == ["acme+robot"]


@pytest.mark.usefixtures("callers")
def test_the_indexes_that_are_made_for_it_serve(database: Database) -> None:
    with database.write() as session:
        session.execute(text(MORE_USERS))
        session.execute(text("ANALYZE account"))
    with database.read() as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        users = plan(session, lambda: entities.find_users(session, "re", limit=9))
        repositories = plan(session, lambda: search.find_repositories(session, Identity(), "web", limit=9))
    assert "ix_account_name_prefix" in users
    assert "pk_repository_term" in repositories


def plan(session: Session, work: Callable[[], object]) -> str:
    """How PostgreSQL carries out the statements of `work`."""
    asked: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        asked.append((statement, parameters))

    connection = session.connection()
    event.listen(connection, "before_cursor_execute", note)
    work()
    event.remove(connection, "before_cursor_execute", note)
    cursor = connection.connection.cursor()
    cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")  # whatever the values of a prepared statement
    lines: list[str] = []
    for number, (statement, parameters) in enumerate(asked):
        explained = statement
        if parameters is None and "$1" in statement:
            values = ", ".join(["NULL"] * len(set(re.findall(r"\$\d+", statement))))
            cursor.execute(f"PREPARE asked_{number} AS {statement}")
            explained = f"EXECUTE asked_{number}({values})"
        cursor.execute(f"EXPLAIN {explained}", parameters)
        lines += [line for (line,) in cursor.fetchall()]
    return "\n".join(lines)
