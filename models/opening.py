"""From settings to an open database."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import create_engine

from config.settings import Settings
from models.session import Database, Session
from models.tables import Base
from models.vault import Vault


def open_database(settings: Settings, *, on_wake: Callable[[str, str], None] | None = None) -> Database:
    """The database of this installation. `on_wake`: see Database. LookupError if its secrets are not set."""
    vault = Vault([key.get_secret_value() for key in settings.database_secret_keys])
    return Database(
        settings.db_uri.get_secret_value(),
        vault,
        pool_size=settings.DB_POOL_SIZE,
        connect_args=dict(settings.DB_CONNECTION_ARGS),
        on_wake=on_wake,
        quota_default=settings.DEFAULT_SYSTEM_REJECT_QUOTA_BYTES if settings.FEATURE_QUOTA_MANAGEMENT else None,
    )


@contextmanager
def throw_away() -> Iterator[Session]:
    """A session on an empty database in memory, with all tables, that is gone at the end of the block."""
    engine = create_engine("sqlite://")
    try:
        with Session(engine, Vault(["of a database that nobody will ever see again"])) as session:
            Base.metadata.create_all(session.connection())
            yield session
    finally:
        engine.dispose()
