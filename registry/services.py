"""Everything a process of the product stands on, opened once from its settings and passed to whoever needs it."""

from dataclasses import dataclass, field
from typing import Any

from redis import Redis

from config.settings import Settings
from models.authentication import Superusers
from models.opening import open_database
from models.queue import WakeUps, open_redis
from models.remembered import Remembered
from models.session import Database
from storage.driver import StorageDriver
from storage.opening import open_storage


@dataclass(frozen=True)
class Services:
    """The open connections of one process. `redis` answers bytes, as RQ needs it."""

    settings: Settings
    database: Database
    storage: StorageDriver
    redis: Redis
    superusers: Superusers
    remembered: Remembered = field(default_factory=Remembered)

    def close(self) -> None:
        self.database.dispose()
        self.redis.close()


def open_services(settings: Settings) -> Services:
    """Open what the settings name. Connections are made lazily, so nothing fails here that may come back later."""
    redis = open_redis(settings)
    return Services(
        settings=settings,
        database=open_database(settings, on_wake=WakeUps(redis).send),
        storage=open_storage(_storage_config(settings), data=settings.data),
        redis=redis,
        superusers=Superusers(frozenset(settings.SUPER_USERS), full_access=settings.FEATURE_SUPERUSERS_FULL_ACCESS),
    )


def _storage_config(settings: Settings) -> list[Any]:
    preferred = settings.DISTRIBUTED_STORAGE_PREFERENCE[0]
    return list(settings.DISTRIBUTED_STORAGE_CONFIG[preferred])
