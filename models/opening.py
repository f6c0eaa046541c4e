"""From settings to an open database."""

from collections.abc import Callable

from config.settings import Settings
from models.session import Database
from models.vault import Vault


def open_database(settings: Settings, *, on_wake: Callable[[str, str], None] | None = None) -> Database:
    """The database of this installation. `on_wake`: see Database."""
    if settings.DATABASE_SECRET_KEY is None:
        raise ValueError("DATABASE_SECRET_KEY is not set; config.secrets.ensure_secrets was not called")
    keys = [settings.DATABASE_SECRET_KEY, *settings.DATABASE_SECRET_KEYS_PREVIOUS]
    vault = Vault([key.get_secret_value() for key in keys])
    return Database(settings.db_uri, vault, pool_size=settings.DB_POOL_SIZE, on_wake=on_wake)
