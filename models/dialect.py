"""`INSERT … ON CONFLICT`, which SQLite and PostgreSQL share and SQLAlchemy keeps in two places."""

from typing import Any

from sqlalchemy.dialects import postgresql, sqlite

from models.session import Session
from models.tables import Base


def insert_new(session: Session, table: type[Base], rows: list[dict[str, Any]]) -> None:
    """Insert the rows that collide with none that is there; the others are left as they are."""
    if not rows:
        return
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    session.execute(insert(table).on_conflict_do_nothing(), rows)
