"""Moving old entries of the action log to storage.

A file is in storage, whole, before its entries go from the database. Who is killed in between leaves both, and the next
one writes the same file again: entries may be kept twice, and are never lost.
"""

import logging
from collections.abc import Callable

from buildworker.runtime import Runtime
from buildworker.scheduler import LongTask
from config.settings import Settings
from models.log_rotation import archive_path, archived, oldest_entries, remove_entries
from models.tables.base import now
from storage.driver import StorageDriver
from storage.opening import open_storage

log = logging.getLogger(__name__)

EVERY_S = 3600


def scheduled_rotation(settings: Settings) -> LongTask:
    """What the scheduler does every hour where FEATURE_ACTION_LOG_ROTATION is on."""

    def run(opened: Runtime, stop: Callable[[], bool]) -> None:
        storage = archive_of(settings) or opened.storage
        moved = 0
        while not stop() and (count := rotate(opened, storage)):
            moved += count
        if moved:
            log.info("moved %s entries of the action log to storage", moved)

    return LongTask("rotate the action log", EVERY_S, run)


def archive_of(settings: Settings) -> StorageDriver | None:
    """The store for old entries, if it is one of its own."""
    location = settings.ACTION_LOG_ARCHIVE_LOCATION
    if location is None:
        return None
    return open_storage(list(settings.DISTRIBUTED_STORAGE_CONFIG[location]), data=settings.data)


def rotate(opened: Runtime, storage: StorageDriver) -> int:
    """Move the oldest entries that are old enough; how many."""
    settings = opened.settings
    with opened.database.read() as session:
        entries = oldest_entries(session, now() - settings.log_rotation_threshold)
    if not entries:
        return 0
    storage.write(archive_path(settings.ACTION_LOG_ARCHIVE_PATH, entries), archived(entries))
    with opened.database.write() as session:
        remove_entries(session, entries)
    return len(entries)
