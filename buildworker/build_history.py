"""Forgetting old builds, where the installation wants that."""

import logging
from collections.abc import Callable
from datetime import timedelta
from functools import partial

from buildworker.runtime import Runtime
from buildworker.scheduler import LongTask
from models.build_history import forget_builds
from models.tables.base import now

log = logging.getLogger(__name__)

EVERY_S = 3600


def scheduled_forgetting(days: int) -> LongTask:
    """What the scheduler does every hour where BUILD_HISTORY_DAYS is set."""

    def run(opened: Runtime, stop: Callable[[], bool]) -> None:
        newest, ended_before = opened.settings.BUILD_HISTORY_MINIMUM, now() - timedelta(days=days)
        forgotten, position = 0, 0
        while not stop():
            work = partial(forget_builds, ended_before=ended_before, newest=newest, after=position)
            count, further = opened.database.apply(work)
            forgotten += count
            if further is None:
                break
            position = further
        if forgotten:
            log.info("forgot %d builds that ended more than %d days ago", forgotten, days)

    return LongTask("forget old builds", EVERY_S, run)
