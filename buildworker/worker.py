"""The process that waits for wake-ups and forks another for each job: an RQ worker that survives what may happen.

After a job it looks for the next at once, without a wake-up, for as long as there is one that may run.
Redis may be away at the start, or go away and come back; a job never notices. A job's process that dies is seen at
once, and its job queued again.
"""

import ctypes
import logging
import os
import select
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import FrameType

from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.worker import WorkerStatus
from sqlalchemy.exc import SQLAlchemyError

from buildworker import builds, entry, owner, runtime, scratch
from buildworker.queues import FORKED
from buildworker.stop import Stop
from config.settings import Settings
from models import jobs
from models.queue import open_redis
from storage.driver import StorageError

log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1
_HEARTBEAT_S = 30
_TTL_S = 60
_LOOK_S = 1.0
_RETRY_S = 1.0
_COMPLAIN_EVERY_S = 60.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_CARRIED_OUT = 3
"""What a job's process ends with when it had one to carry out."""

_libc = ctypes.CDLL(None, use_errno=True)


def main(settings: Settings, queues: Sequence[str] = FORKED) -> int:
    """Work on the queues, the first one first, until SIGTERM or SIGINT; the exit code.

    A build under way is then given back to the queue without counting its attempt.
    """
    stop = Stop()
    stop.on(*_SIGNALS)
    runtime.become_worker(settings)
    _recover(settings)
    log.info("waiting for jobs in %s", ", ".join(queues))
    complained = 0.0
    while not stop.is_set():
        try:
            _work(settings, queues, stop)
        except RedisError as exc:
            if time.monotonic() - complained > _COMPLAIN_EVERY_S:
                log.warning("Redis does not answer (%s); trying again every second", exc)
                complained = time.monotonic()
        stop.on(*_SIGNALS)  # RQ had put its own in their place
        stop.wait(_RETRY_S)
    return 0


def _work(settings: Settings, queues: Sequence[str], stop: Stop) -> None:
    with open_redis(settings) as redis:
        worker = _Worker(
            list(queues),
            connection=redis,
            serializer=JSONSerializer,
            worker_ttl=_TTL_S,
            log_job_description=False,
        )
        worker.asked_to_stop = stop
        worker.work(logging_level="WARNING")


def _recover(settings: Settings) -> None:
    """Take care of what workers of this machine left that are dead, without waiting for their silence to be noticed."""
    try:
        # Opening everything once also imports all that a job needs, so that it starts without delay.
        with runtime.opened(settings) as opened:
            with opened.database.read() as session:
                held = jobs.owners(session)
            for uuid, name in held.items():
                if owner.is_dead(name):
                    _abandon(opened, uuid, name)
            builds.clean_up(opened)
    except (SQLAlchemyError, StorageError) as exc:
        log.warning("what dead workers left is not looked after now: %s", exc)


def _abandon(opened: runtime.Runtime, uuid: str, name: str) -> None:
    with opened.database.write() as session:
        lost = jobs.requeue_abandoned(session, uuid, name)
        if lost is not None:
            builds.record_lost(session, opened.settings, lost)
    if lost is not None:
        builds.conclude_lost(opened, lost)
    builds.remove_left(opened, scratch.name_for(uuid, name))


class _Worker(Worker):
    """Of RQ it keeps the queue, the waiting and the forking. Jobs have their own records, signs of life and ends."""

    max_connection_wait_time = 2.0
    asked_to_stop: Stop

    def execute_job(self, job: Job, queue: Queue) -> None:
        # A wake-up is used up before its job begins, so that the job may be woken again at any time.
        self.connection.lrem(queue.intermediate_queue_key, 1, job.id)
        job.delete(remove_from_queue=False)
        with suppress(RedisError):
            self.set_state(WorkerStatus.BUSY)
        self._state = WorkerStatus.BUSY
        while self._did_one(job, queue) and not self.asked_to_stop.is_set():
            self._beat()
        self._state = WorkerStatus.IDLE

    def _did_one(self, job: Job, queue: Queue) -> bool:
        """Have the next job done, if one may run; whether there was one."""
        self.fork_work_horse(job, queue)
        status = wait_for(self._horse_pid, self.asked_to_stop, self._beat)
        done = os.WIFEXITED(status) and os.WEXITSTATUS(status) == _CARRIED_OUT
        if status and not done:
            self._after_death(self._horse_pid, status)
        self._horse_pid = 0
        return done

    def main_work_horse(self, job: Job, queue: Queue) -> None:
        """In the new process: run the queue's next job, whatever the wake-up names, and end."""
        self._is_horse = True
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is for the worker, which tells this process
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _die_with_parent()
        try:
            done = entry.run(queue.name)
        except BaseException:
            log.exception("a job ended unexpectedly")
            os._exit(1)
        os._exit(_CARRIED_OUT if done else 0)

    def subscribe(self) -> None:
        """RQ's commands over Redis are not wanted: jobs are cancelled in the database."""

    def handle_warm_shutdown_request(self) -> None:
        self.asked_to_stop.set()
        if self._horse_pid:
            with suppress(ProcessLookupError):
                os.kill(self._horse_pid, signal.SIGTERM)

    def set_shutdown_requested_date(self) -> None:
        """Nobody reads it, and in a signal handler Redis must not be waited for."""

    def request_force_stop(self, signum: int, frame: FrameType | None) -> None:
        """A second signal changes nothing: the job is being given back, which takes a second or two."""

    def _beat(self) -> None:
        with suppress(RedisError):
            self.heartbeat()

    def _after_death(self, pid: int, status: int) -> None:
        log.error("the process %d of a job was lost (wait status %d)", pid, status)
        name = owner.name_of(pid, runtime.worker())
        try:
            with runtime.opened(runtime.settings()) as opened:
                with opened.database.read() as session:
                    held = [uuid for uuid, holder in jobs.owners(session).items() if holder == name]
                for uuid in held:
                    _abandon(opened, uuid, name)
        except (SQLAlchemyError, StorageError) as exc:
            log.warning("its job is queued again by the scheduler only, the database does not answer: %s", exc)


def wait_for(child: int, stop: Stop, beat: Callable[[], None]) -> int:
    """Wait for the process of a job, calling `beat` now and then; its wait status, 0 if all went well.

    A signal to end that came before the child was there is passed on here.
    """
    process = os.pidfd_open(child)
    next_beat = time.monotonic() + _HEARTBEAT_S
    try:
        while not select.select([process], [], [], _LOOK_S)[0]:
            if stop.is_set():  # again and again: it may have come before the child was ready for it
                signal.pidfd_send_signal(process, signal.SIGTERM)
            if time.monotonic() >= next_beat:
                beat()
                next_beat = time.monotonic() + _HEARTBEAT_S
    finally:
        os.close(process)
    return os.waitpid(child, 0)[1]


def _die_with_parent() -> None:
    """Give the job back when the worker dies: nobody would see this process any more."""
    parent = os.getppid()
    _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if parent == 1 or os.getppid() != parent:
        os._exit(1)
