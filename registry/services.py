"""Everything a process of the product stands on, opened once from its settings and passed to whoever needs it."""

from dataclasses import dataclass

from redis import Redis

from config.settings import Settings
from models.authentication import Superusers
from models.opening import open_database
from models.queue import WakeUps
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

    def close(self) -> None:
        self.database.dispose()
        self.redis.close()


def open_services(settings: Settings) -> Services:
    """Open what the settings name. Connections are made lazily, so nothing fails here that may come back later."""
    redis = open_redis(settings)
    return Services(
        settings=settings,
        database=open_database(settings, on_wake=WakeUps(redis).send),
        storage=open_storage(settings.storage, data=settings.DATA),
        redis=redis,
        superusers=Superusers(frozenset(settings.SUPER_USERS), full_access=settings.FEATURE_SUPERUSERS_FULL_ACCESS),
    )


def open_redis(settings: Settings) -> Redis:
    """The Redis of this installation; `serve` has put the address of its private one into the settings."""
    if settings.redis_url is None:
        raise ValueError("no Redis is configured: set REDIS_URL (or BUILDLOGS_REDIS); only drydock serve starts its own")
    return Redis.from_url(settings.redis_url.get_secret_value(), socket_timeout=10, socket_connect_timeout=2)
