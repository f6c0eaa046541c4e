"""Connections that PostgreSQL has ended while they lay idle cost nobody a request."""

from sqlalchemy import text

from models.session import Database
from models.vault import Vault
from tests.services.postgres import Postgres


def test_ended_connections_are_replaced_before_they_are_used(postgres: Postgres) -> None:
    database = Database(postgres.new_database(), Vault(["k" * 64]))
    with database.read() as first, database.write() as second:
        first.execute(text("SELECT 1"))
        second.execute(text("SELECT 1"))
    with database.read() as session:
        ending = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> "
        session.execute(text(f"{ending} pg_backend_pid()"))
        mine = session.scalar(text("SELECT pg_backend_pid()"))
    with database.read() as first, database.write() as second:
        seen = [session.scalar(text("SELECT pg_backend_pid()")) for session in (first, second)]
    assert mine in seen
    assert len(set(seen)) == 2
    database.dispose()
