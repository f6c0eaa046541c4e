from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import inspect, text

from models import migrate
from models.session import Database
from models.tables import Base, Organization, Repository, User


def tables(database: Database) -> set[str]:
    return set(inspect(database.engine).get_table_names())


def test_upgrading_an_empty_database_makes_exactly_the_tables_of_the_program(database: Database) -> None:
    assert migrate.upgrade(database)

    assert tables(database) == {*Base.metadata.tables, "alembic_version"}
    migrate.check(database)
    assert migrate.pending(database) == []


def test_upgrading_twice_changes_nothing(database: Database) -> None:
    migrate.upgrade(database)

    assert migrate.upgrade(database) == []


def test_what_was_upgraded_can_be_undone_and_done_again(database: Database) -> None:
    migrate.upgrade(database)

    migrate.downgrade(database, "base")
    assert tables(database) == {"alembic_version"}
    migrate.upgrade(database)
    migrate.check(database)


def test_processes_that_upgrade_at_once_apply_each_revision_once(connect: Callable[[], Database]) -> None:
    databases = [connect() for _ in range(4)]
    every = migrate.pending(databases[0])

    with ThreadPoolExecutor(4) as pool:
        applied = list(pool.map(migrate.upgrade, databases))

    assert sorted(applied) == [[], [], [], every]
    migrate.check(databases[0])


def test_the_tables_of_a_newer_program_are_left_alone(database: Database) -> None:
    migrate.upgrade(database)
    with database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = 'from_the_future'"))

    assert migrate.pending(database) == []
    assert migrate.upgrade(database) == []
    with pytest.raises(migrate.MigrationError, match="from_the_future"):
        migrate.downgrade(database, "base")


def test_tables_that_differ_from_the_program_are_noticed(database: Database) -> None:
    migrate.upgrade(database)
    with database.write() as session:
        session.execute(text("ALTER TABLE star ADD COLUMN unexpected INTEGER"))

    with pytest.raises(migrate.MigrationError, match="unexpected"):
        migrate.check(database)


def test_references_are_enforced_after_an_upgrade_on_the_same_connections(database: Database) -> None:
    migrate.upgrade(database)
    with database.write() as session:
        owner = Organization(name="acme")
        session.add_all(
            [owner, User(name="ann", email="ann@example.com"), Repository(namespace=owner, name="app", is_public=False)]
        )
        session.flush()
        session.delete(owner)

    with database.read() as session:
        assert session.query(Repository).count() == 0
