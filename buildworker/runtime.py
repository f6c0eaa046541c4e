"""What a job stands on, opened in the process that runs it."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from redis import Redis

from config.settings import Settings
from models.opening import open_database
from models.queue import WakeUps, open_redis
from models.session import Database
from storage.driver import StorageDriver
from storage.opening import open_storage

_worker: ContextVar[tuple[Settings, str]] = ContextVar("settings and name of this worker")


@dataclass(frozen=True)
class Runtime:
    """The open connections of one process. `redis` answers bytes."""

    settings: Settings
    database: Database
    storage: StorageDriver
    redis: Redis

    @property
    def scratch(self) -> Path:
        """The folder that holds a folder for each build under way on this machine."""
        return self.settings.data / "builds"


def become_worker(settings: Settings) -> None:
    """Let the processes that this one forks run jobs with these settings: a wake-up brings nothing but a uuid."""
    _worker.set((settings, secrets.token_hex(8)))


def settings() -> Settings:
    """The settings given to `become_worker`; LookupError in a process that is no worker's."""
    return _worker.get()[0]


def worker() -> str:
    """A random name for this worker and the processes it forks; LookupError as above."""
    return _worker.get()[1]


@contextmanager
def opened(given: Settings) -> Iterator[Runtime]:
    """Open what the settings name, for as long as the block runs.

    Nothing may be open across a fork: SQLite would forget its locks. So each job opens its own, and a worker that
    waits for the next holds nothing.
    """
    redis = open_redis(given)
    database = open_database(given, on_wake=WakeUps(redis).send)
    location = given.DISTRIBUTED_STORAGE_CONFIG[given.DISTRIBUTED_STORAGE_PREFERENCE[0]]
    try:
        yield Runtime(given, database, open_storage(list(location), data=given.data), redis)
    finally:
        database.dispose()
        redis.close()
