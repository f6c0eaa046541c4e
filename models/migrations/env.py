"""Alembic's entry: runs the revisions on the connection that `models.migrate` hands over, or on the configured one.

The second is for `alembic -c conf/alembic.ini revision --autogenerate` and the like, while developing.
"""

import os
from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlalchemy import Connection

from config.load import load_settings
from config.secrets import ensure_secrets
from models.opening import open_database
from models.tables import Base
from models.tables.base import UtcDateTime


def render_item(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Write our own column types as what they are in the database, so that no revision depends on today's code."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


def run(connection: Connection) -> None:
    """Run what the command asked for; the caller's transaction, if there is one, holds all of it."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        render_item=render_item,
        transactional_ddl=True,
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()


def run_configured() -> None:
    """Run on the database that the settings name."""
    database = open_database(ensure_secrets(load_settings(None, os.environ)))
    try:
        with database.engine.execution_options(writes=True).connect() as connection:
            run(connection)
    finally:
        database.dispose()


if context.is_offline_mode():
    raise SystemExit("migrations run on a database only; --sql is not supported")
given = context.config.attributes.get("connection")
if given is None:
    run_configured()
else:
    run(given)
