"""The process that runs errands: what is over soon, many at a time, in threads.

It looks into the database when a wake-up comes and once a second besides, so that a lost wake-up, a Redis that is away
and a retry that has become due all come to the same.
"""

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from buildworker import entry, owner, runtime
from buildworker.deliveries import deliver
from buildworker.queues import SHORT
from buildworker.runtime import Runtime
from buildworker.stop import Stop
from config.settings import Settings
from models import deliveries, jobs
from models.queue import WakeUps
from models.session import Session

log = logging.getLogger(__name__)

URGENT_AT_ONCE = 4
SENDERS_AT_ONCE = 8
MOST_OF_A_NAMESPACE = 3
"""Senders that one namespace's notifications keep at a time, however slow their receivers are."""
JOBS_AT_ONCE = 2
_LOOK_EVERY_S = 1
_LONGEST_END_S = 2.0  # with the time to look, shorter than what `serve` waits before it kills
_COMPLAIN_EVERY_S = 60.0

Errand = Callable[[], None]


class Crew:
    """Up to `size` threads that each take one errand after the other, and go when `take` finds none."""

    def __init__(self, name: str, size: int, take: Callable[[], Errand | None], stop: Stop) -> None:
        self._name = name
        self._size = size
        self._take = take
        self._stop = stop
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()

    def call(self, wanted: int) -> None:
        """Have up to `wanted` more threads look for errands."""
        with self._lock:
            for _ in range(min(wanted, self._size - len(self._threads))):
                thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._threads.add(thread)
                thread.start()

    def wait(self, deadline: float) -> None:
        """Wait until all have gone, at most until `deadline` (a `time.monotonic()` value)."""
        for thread in list(self._threads):
            thread.join(max(deadline - time.monotonic(), 0))

    def _work(self) -> None:
        try:
            while not self._stop.is_set() and (errand := self._take()) is not None:
                errand()
        except SQLAlchemyError as exc:
            log.warning("an errand (%s) is left for later, the database does not answer: %s", self._name, exc)
        except Exception:  # a mistake in one errand must not end the others; it is due again when its time is over
            log.exception("an errand (%s) ended unexpectedly", self._name)
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())


def main(settings: Settings, queues: Sequence[str] = SHORT) -> int:
    """Work on the queues until SIGTERM or SIGINT; the exit code. What is under way then is done again by another."""
    stop = Stop()
    stop.on(signal.SIGTERM, signal.SIGINT)
    runtime.become_worker(settings)
    name = owner.name_of(os.getpid(), runtime.worker())
    log.info("waiting for errands in %s", ", ".join(queues))
    with runtime.opened(settings) as opened:
        Errands(opened, stop, queues, name).run()
    return 0


class Errands:
    """One process's share of the work on the queues, under its `name`."""

    def __init__(self, opened: Runtime, stop: Stop, queues: Sequence[str], name: str) -> None:
        self._opened = opened
        self._stop = stop
        self._queues = list(queues)
        self._jobs = [queue for queue in queues if queue != deliveries.QUEUE]
        self._name = name
        self._wakeups = WakeUps(opened.redis)
        self._urgent = Crew("urgent deliveries", URGENT_AT_ONCE, partial(self._take_delivery, urgent=True), stop)
        self._senders = Crew("deliveries", SENDERS_AT_ONCE, partial(self._take_delivery, urgent=False), stop)
        self._workers = Crew("jobs", JOBS_AT_ONCE, self._take_job, stop)
        self._taking = threading.Lock()
        self._complained = -_COMPLAIN_EVERY_S

    def run(self) -> None:
        """Work until the process is to stop."""
        self._look(self._release_dead)
        while not self._stop.is_set():
            self._look(self._call)
            self._wait()
        deadline = time.monotonic() + _LONGEST_END_S
        for crew in (self._urgent, self._senders, self._workers):
            crew.wait(deadline)
        self._look(self._release)

    def _look(self, look: Callable[[], None]) -> None:
        try:
            look()
        except SQLAlchemyError as exc:
            self._complain("the database", exc)

    def _release_dead(self) -> None:
        with self._opened.database.write() as session:
            if number := deliveries.release_dead(session, owner.is_dead):
                log.warning("%d deliveries of a process that died are begun anew", number)

    def _release(self) -> None:
        with self._opened.database.write() as session:
            deliveries.release(session, self._name)

    def _call(self) -> None:
        """Have as many threads at work as there is work for."""
        with self._opened.database.read() as session:
            sends = deliveries.QUEUE in self._queues
            urgent = deliveries.count_due(session, self._name, urgent=True, limit=URGENT_AT_ONCE) if sends else 0
            due = self._count_sendable(session) if sends else 0
            waiting = len(jobs.due(session, queues=self._jobs, limit=JOBS_AT_ONCE)) if self._jobs else 0
        self._urgent.call(urgent)
        self._senders.call(due)
        self._workers.call(waiting)

    def _count_sendable(self, session: Session) -> int:
        return deliveries.count_due(
            session, self._name, urgent=False, limit=SENDERS_AT_ONCE, most_of_one=MOST_OF_A_NAMESPACE
        )

    def _wait(self) -> None:
        try:
            self._wakeups.wait(self._queues, _LOOK_EVERY_S)
        except RedisError as exc:
            self._complain("Redis", exc)
            self._stop.wait(_LOOK_EVERY_S)

    def _take_delivery(self, *, urgent: bool) -> Errand | None:
        most = None if urgent else MOST_OF_A_NAMESPACE
        # One at a time: of two who look at the same moment neither would see what the other takes.
        with self._taking, self._opened.database.write() as session:
            attempt = deliveries.take(session, self._name, urgent=urgent, most_of_one=most)
        return partial(deliver, self._opened, attempt) if attempt else None

    def _take_job(self) -> Errand | None:
        with self._opened.database.read() as session:
            waiting = jobs.due(session, queues=self._jobs, limit=2 * JOBS_AT_ONCE)
        for _, uuid in waiting:
            if lease := entry.take(self._opened, uuid, self._name):
                return partial(entry.carry_out, self._opened, lease, self._stop)
        return None

    def _complain(self, what: str, exc: Exception) -> None:
        if time.monotonic() - self._complained > _COMPLAIN_EVERY_S:
            log.warning("%s does not answer (%s); trying again every second", what, exc)
            self._complained = time.monotonic()
