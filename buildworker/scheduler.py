"""What is due now and again, whoever else does nothing: lost jobs, wake-ups that got lost, logs, pull events."""

import logging
import math
import secrets
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import cast

from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from buildworker import builds, exports, runtime
from buildworker.queues import SHORT
from buildworker.runtime import Runtime
from buildworker.stop import Stop
from config.settings import Settings
from models import build_queue, deliveries, inbound, jobs, log_exports, user_notifications
from models.activity import rank_repositories
from models.expiry_notices import tell_expiring
from models.log_counts import count_rested
from models.pulls import flush_pulls
from models.queue import WakeUps
from models.terms import index_missing
from storage.driver import StorageError

log = logging.getLogger(__name__)

LOCK_KEY = "drydock/scheduler"
_LOCK_S = 15
_TICK_S = 1.0
_LONGEST_END_S = 10.0
_SLICE = 1000
_UNHEARD_AFTER = timedelta(seconds=1)
_Work = Callable[[], object]


@dataclass(frozen=True)
class Task:
    """Something to do every `interval_s` seconds. What it raises is logged, and it is tried again when next due."""

    name: str
    interval_s: float
    run: Callable[[Runtime], object]


@dataclass(frozen=True)
class LongTask:
    """The same in a thread of its own, so that nothing waits for it. It ends soon when its second argument says so."""

    name: str
    interval_s: float
    run: Callable[[Runtime, Callable[[], bool]], object]


def requeue_lost(opened: Runtime) -> None:
    """Queue jobs again whose worker gives no sign of life."""
    timeout = timedelta(seconds=opened.settings.BUILD_HEARTBEAT_TIMEOUT_SEC)
    with opened.database.read() as session:
        if not jobs.silent(session, timeout):
            return
    with opened.database.write() as session:
        lost = jobs.requeue_lost(session, timeout)
        for job in lost:
            builds.record_lost(session, opened.settings, job)
            log_exports.record_lost(session, opened.settings, job)
    for job in lost:
        builds.conclude_lost(opened, job)


class LostJobs:
    """`requeue_lost`, but not right after a time in which the database did not answer: then no worker could be heard.

    They get the time for two signs of life. `clock` gives seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._answers_since = -math.inf

    def __call__(self, opened: Runtime) -> None:
        heartbeat = opened.settings.BUILD_HEARTBEAT_SEC
        begun = self._clock()
        try:
            with opened.database.read() as session:
                silent = jobs.silent(session, timedelta(seconds=opened.settings.BUILD_HEARTBEAT_TIMEOUT_SEC))
        except SQLAlchemyError:
            self._answers_since = math.inf
            raise
        present = self._clock()
        # An answer that took so long came after such a time as well.
        self._answers_since = present if present - begun > heartbeat else min(self._answers_since, present)
        if silent and present - self._answers_since >= 2 * heartbeat:
            requeue_lost(opened)


def wake_waiting(opened: Runtime) -> None:
    """Send a wake-up for each job that could run and has none: it was lost, or the job waited before its next try."""
    with opened.database.read() as session:
        waiting = jobs.due(session, older_than=_UNHEARD_AFTER, queues=SHORT)
        limit = opened.settings.BUILD_MAX_RUNNING_PER_NAMESPACE
        begun = build_queue.startable(session, limit=limit, older_than=_UNHEARD_AFTER)
    waiting += [(build_queue.QUEUE, uuid) for uuid in begun]
    wakeups = WakeUps(opened.redis)
    for queue in {queue for queue, _ in waiting}:
        there = set(wakeups.queue(queue).get_job_ids())
        for name, uuid in waiting:
            if name == queue and uuid not in there:
                wakeups.send(queue, uuid)


def forget_deliveries(opened: Runtime, stop: Callable[[], bool]) -> None:
    """Delete what is kept of deliveries, out and in, and of notices, that are old, a slice at a time."""
    with opened.database.write() as session:
        inbound.forget_expired(session)
    for forget in (deliveries.forget_old, user_notifications.forget_old):
        more = True
        while more and not stop():
            with opened.database.write() as session:
                more = forget(session, limit=_SLICE) == _SLICE


TASKS: tuple[Task | LongTask, ...] = (
    Task("requeue lost jobs", 2, LostJobs()),
    Task("wake waiting jobs", 2, wake_waiting),
    Task("archive forgotten logs", 30, builds.archive_forgotten),
    LongTask("make repositories findable", 3600, lambda opened, stop: index_missing(opened.database, stop)),
    LongTask("rank repositories", 6 * 3600, lambda opened, stop: rank_repositories(opened.database, stop)),
    LongTask("forget old deliveries", 3600, forget_deliveries),
    Task("remove exported logs", 60, exports.remove_expired),
    LongTask("tell of tags that expire", 60, lambda opened, stop: tell_expiring(opened.database, stop=stop)),
    LongTask("count the log", 60, lambda opened, stop: count_rested(opened.database, stop)),
    Task("write pull events", 5, lambda opened: flush_pulls(opened.redis, opened.database)),
)


def main(settings: Settings, extra: Sequence[Task | LongTask] = ()) -> int:
    """Do what is due until SIGTERM or SIGINT; the exit code. `extra`: tasks of other packages."""
    stop = Stop()
    stop.on(signal.SIGTERM, signal.SIGINT)
    with runtime.opened(settings) as opened:
        run(opened, stop, (*TASKS, *extra))
    return 0


def run(opened: Runtime, stop: Stop, tasks: Sequence[Task | LongTask] = TASKS) -> None:
    """Do the tasks when they are due, until `stop` is set. Of several schedulers one at a time does any."""
    turn = _Turn(opened.redis)
    works = {task: _work(task, opened, stop) for task in tasks}
    aside = [_start(task, works.pop(task), stop, turn) for task in tasks if isinstance(task, LongTask)]
    _repeat(works, stop, turn)
    for thread in aside:
        thread.join(_LONGEST_END_S)
    turn.give_up()


def _work(task: Task | LongTask, opened: Runtime, stop: Stop) -> _Work:
    return partial(task.run, opened, stop.is_set) if isinstance(task, LongTask) else partial(task.run, opened)


def _start(task: LongTask, work: _Work, stop: Stop, turn: "_Turn") -> threading.Thread:
    thread = threading.Thread(target=_repeat, args=({task: work}, stop, turn), name=task.name, daemon=True)
    thread.start()
    return thread


def _repeat(works: Mapping[Task | LongTask, _Work], stop: Stop, turn: "_Turn") -> None:
    due = dict.fromkeys(works, 0.0)
    while not stop.wait(_TICK_S):
        for task, work in works.items():
            if time.monotonic() >= due[task] and not stop.is_set() and turn.is_ours():
                _do(task.name, work)
                due[task] = time.monotonic() + task.interval_s


def _do(name: str, run: Callable[[], object]) -> None:
    try:
        run()
    except (RedisError, SQLAlchemyError, StorageError) as exc:
        log.warning("could not %s now: %s", name, exc)
    except Exception:  # one task's mistake must not end the others
        log.exception("could not %s", name)


class _Turn:
    """Which scheduler's turn it is: the one whose name is in Redis. Two at once do no harm, only the work twice."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._name = secrets.token_hex(8).encode()

    def is_ours(self) -> bool:
        """Whether to work now. A Redis that is away decides nothing: lost jobs are found in the database."""
        try:
            if self._redis.set(LOCK_KEY, self._name, nx=True, ex=_LOCK_S):
                return True
            if cast("bytes | None", self._redis.get(LOCK_KEY)) != self._name:
                return False
            self._redis.expire(LOCK_KEY, _LOCK_S)
        except RedisError:
            return True
        return True

    def give_up(self) -> None:
        """Let another begin at once."""
        try:
            if cast("bytes | None", self._redis.get(LOCK_KEY)) == self._name:
                self._redis.delete(LOCK_KEY)
        except RedisError as exc:
            log.info("the next scheduler begins in %d s: %s", _LOCK_S, exc)
