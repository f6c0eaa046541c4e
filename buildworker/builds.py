"""The build of an image, from the wake-up to the archived log."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from redis.exceptions import RedisError
from sqlalchemy.exc import OperationalError

from buildworker import attachment, scratch
from buildworker.attempt import LABEL, Attempt, Work
from buildworker.builder import Engine
from buildworker.engines.choice import engine_for
from buildworker.failures import Verdict, judge
from buildworker.logs import KEPT_ARCHIVED_S, KEPT_LIVE_S, BuildLog, append_end, pack_live_log
from buildworker.lookout import Lookout, Reason
from buildworker.runtime import Runtime
from buildworker.stop import Stop
from buildworker.watch import Cancelled
from config.settings import Settings
from models import build_events, jobs, metrics
from models.build_orders import (
    Order,
    forget_secrets,
    record_logs,
    record_result,
    take_order,
    unarchived,
    withdraw_token,
)
from models.buildlogs import archive_path, logs_key
from models.builds import KIND, find_build
from models.errors import DomainError
from models.jobs import Lease, Lost
from models.session import Session
from models.tables.base import now
from models.tables.jobs import JobResult
from models.triggers import count_result
from storage.driver import StorageError

log = logging.getLogger(__name__)

RETRY_AFTER_S = (3, 10)
"""Pauses after the first, the second, … attempt that failed for a reason that may pass."""
_TOKEN_SPARE = timedelta(hours=1)
_ARCHIVE_AFTER = timedelta(minutes=1)
_DATABASE_TRIES = 8


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended: well, with a `failure`, or for a `reason` because it had to."""

    failure: Verdict | None = None
    reason: Reason | None = None

    @property
    def result(self) -> JobResult:
        """What the build's result is, if it is not tried again."""
        if self.reason:
            return "cancelled"
        return self.failure.result if self.failure else "success"

    @property
    def error(self) -> str | None:
        """What is told of the failure."""
        return self.failure.error if self.failure else None


def run(
    runtime: Runtime,
    lease: Lease,
    stop: Stop,
    *,
    engine: Engine | None = None,
    attach: Callable[..., str] = attachment.attach,
) -> None:
    """Carry out one attempt at a build, and see to it that what comes of it is recorded.

    `stop` set: give the build back, without counting the attempt. `engine`, `attach`: in place of the configured
    one, and of what attaches documents to images.
    """
    lifetime = timedelta(seconds=runtime.settings.BUILD_MAX_SECONDS) + _TOKEN_SPARE
    with runtime.database.write() as session:
        if not jobs.heartbeat(session, lease):
            log.warning("build %s was taken over by another worker before this one began", lease.uuid)
            return
        order = take_order(session, lease.uuid, lifetime=lifetime)
        if order is None:
            jobs.finish(session, lease, "cancelled", error="The repository was removed.")
            return
        build = find_build(session, lease.uuid)
        if build is not None and lease.attempt == 1:
            build_events.started(session, build)
    begun = time.monotonic()
    name = scratch.name_for(lease.uuid, lease.owner)
    with scratch.folder(runtime.scratch, name) as folder, Lookout(runtime, lease, stop) as lookout:
        engine = engine or engine_for(runtime.settings)
        work = Work(runtime, lease, order, _open_log(runtime, order, folder), lookout, engine, folder, attach)
        attempt = Attempt(work)
        outcome = _carried_out(attempt, work)
        if outcome.error:
            attempt.clear_folder()  # or a full disk would have no room for the records either
        result = _Conclusion(work, attempt).draw(outcome)
    if result:
        metrics.build_finished(runtime.redis, result, time.monotonic() - begun)


def _open_log(runtime: Runtime, order: Order, folder: Path) -> BuildLog:
    secrets = [order.own.password, *order.options.secrets.values(), *([order.robot.password] if order.robot else [])]
    secrets += [login.password for login in order.logins.values()]
    if order.git and order.git.auth_token:
        secrets.append(order.git.auth_token)
    limit = runtime.settings.BUILD_MAX_LOG_BYTES
    return BuildLog(runtime.redis, order.uuid, folder / "log.jsonl", max_bytes=limit, secrets=secrets)


def _carried_out(attempt: Attempt, work: Work) -> Outcome:
    """Carry out the attempt, and tell how it ended."""
    try:
        attempt.carry_out()
    except Cancelled:
        return Outcome(reason=work.lookout.reason)
    except Exception as exc:
        if verdict := judge(exc, work.runtime.settings.BUILD_MAX_SECONDS):
            return Outcome(verdict)
        log.exception("build %s failed in a way that was not foreseen", work.lease.uuid)
        said = "Something unexpected happened in the build worker; its own log tells what."
        return Outcome(Verdict("infrastructure", said))
    return Outcome()


class _Conclusion:
    """What follows from an attempt's outcome: the end of the log, the row, the archive."""

    def __init__(self, work: Work, attempt: Attempt) -> None:
        self._runtime = work.runtime
        self._lease = work.lease
        self._log = work.log
        self._attempt = attempt

    def draw(self, outcome: Outcome) -> JobResult | None:
        """Record the outcome; the build's result, or None if it goes on elsewhere."""
        if outcome.reason == "lost":
            log.warning("build %s was taken over by another worker; this one gives it up", self._lease.uuid)
            self._log.abandon()
            return None
        if outcome.reason == "stopped":
            self._log.output("The worker is being stopped; the build goes back to the queue.")
            return self._release(timedelta(), refund=True)
        if outcome.failure and outcome.failure.retry and not self._lease.is_last:
            pause = RETRY_AFTER_S[min(self._lease.attempt, len(RETRY_AFTER_S)) - 1]
            self._log.error(outcome.error or "")
            self._log.output(
                f"This was attempt {self._lease.attempt} of {self._lease.max_attempts}; the next in {pause} s."
            )
            return self._release(timedelta(seconds=pause), refund=False)
        return self._finish(outcome)

    def _release(self, delay: timedelta, *, refund: bool) -> JobResult | None:
        # The log before the row: from then on another worker may write it.
        self._log.close(archived=False)

        def release() -> JobResult | None:
            with self._runtime.database.write() as session:
                released = jobs.release(session, self._lease, delay=delay, refund=refund)
                recorded = None if released else jobs.finish(session, self._lease, "cancelled")
                if released:
                    withdraw_token(session, self._lease.uuid)
                elif recorded:
                    _record_end(self._runtime.settings, session, self._lease.uuid, recorded, None)
                return recorded

        return _insist(release)

    def _finish(self, outcome: Outcome) -> JobResult | None:
        result = outcome.result
        failure = outcome.failure.failure if outcome.failure else None
        if outcome.error:
            self._log.error(outcome.error)
        phase = "complete" if result == "success" else result
        self._log.phase(phase)
        self._log.flush()

        def finish() -> JobResult | None:
            with self._runtime.database.write() as session:
                recorded = jobs.finish(session, self._lease, result, phase=phase, error=outcome.error, failure=failure)
                if recorded:  # or the token and the result are another worker's
                    digest = self._attempt.image_digest
                    record_result(session, self._lease.uuid, status=self._log.status, image_digest=digest)
                    _record_end(self._runtime.settings, session, self._lease.uuid, recorded, outcome.error)
                return recorded

        recorded = _insist(finish)
        if recorded is None:
            self._log.abandon()
            return None
        if recorded != result:
            self._log.phase(recorded)
        log.info("build %s ended: %s", self._lease.uuid, recorded)
        self._log.close(archived=self._archive())
        return recorded

    def _archive(self) -> bool:
        """Keep the log in storage; if that fails now the scheduler does it from Redis."""
        path = archive_path(self._lease.uuid)
        try:
            self._runtime.storage.write(path, self._log.packed())
            with self._runtime.database.write() as session:
                record_logs(session, self._lease.uuid, path, self._log.lines)
        except (StorageError, OperationalError) as exc:
            log.warning("the log of build %s is not archived yet: %s", self._lease.uuid, exc)
            return False
        return True


def _record_end(settings: Settings, session: Session, uuid: str, result: JobResult, error: str | None) -> None:
    """What follows from the end of a build: its token goes, its trigger counts it, and whoever wants to is told."""
    withdraw_token(session, uuid)
    forget_secrets(session, uuid)
    if build := find_build(session, uuid):
        build_events.ended(session, build, result, error=error)
    count_result(
        session,
        uuid,
        result,
        failures=settings.SUCCESSIVE_TRIGGER_FAILURE_DISABLE_THRESHOLD,
        internal_errors=settings.SUCCESSIVE_TRIGGER_INTERNAL_ERROR_DISABLE_THRESHOLD,
    )


def _insist(action: Callable[[], JobResult | None]) -> JobResult | None:
    """Do something in the database, again if it does not answer for a while; OperationalError after half a minute."""
    for number in range(1, _DATABASE_TRIES):
        try:
            return action()
        except OperationalError as exc:
            log.warning("the end of a build could not be recorded: %s", exc)
            time.sleep(min(number, 5))
    return action()


def record_lost(session: Session, settings: Settings, lost: Lost) -> None:
    """Write down, in the transaction that ended it, what follows for a build that lost its worker for good."""
    if lost.kind == KIND and lost.outcome != "queued":
        _record_end(settings, session, lost.uuid, lost.outcome, lost.error)


def conclude_lost(runtime: Runtime, lost: Lost) -> None:
    """Tell in its log how a build ended that lost its worker for good; nothing for one that goes on."""
    if lost.kind != KIND:
        return
    if lost.outcome == "queued":
        log.warning("build %s lost its worker and is queued again, after attempt %d", lost.uuid, lost.attempt)
        return
    log.error("build %s lost its worker in attempt %d and has ended: %s", lost.uuid, lost.attempt, lost.outcome)
    try:
        append_end(runtime.redis, lost.uuid, lost.outcome, lost.error)
    except RedisError as exc:
        log.warning("the log of build %s does not tell its end, Redis does not answer: %s", lost.uuid, exc)
    metrics.build_finished(runtime.redis, lost.outcome, 0.0)


def archive_forgotten(runtime: Runtime) -> None:
    """Archive the logs of builds whose worker did not get to it, from Redis; RedisError, StorageError."""
    with runtime.database.read() as session:
        uuids = unarchived(session, since=now() - timedelta(seconds=KEPT_LIVE_S), until=now() - _ARCHIVE_AFTER)
    for uuid in uuids:
        lines, packed = pack_live_log(runtime.redis, uuid)
        runtime.storage.write(archive_path(uuid), packed)
        with runtime.database.write() as session:
            record_logs(session, uuid, archive_path(uuid), lines)
        runtime.redis.expire(logs_key(uuid), KEPT_ARCHIVED_S)


def clean_up(runtime: Runtime, *, engine: Engine | None = None) -> None:
    """Remove what builds whose process died left in this worker's data folder and on its engine."""
    for name in scratch.abandoned(runtime.scratch):
        remove_left(runtime, name, engine=engine)


def remove_left(runtime: Runtime, name: str, *, engine: Engine | None = None) -> None:
    """Remove the scratch folder of a dead process, and what its build left on the engine unless the build goes on.

    One that goes on has perhaps been taken already by a worker on the same engine, which begins by removing the same.
    The folder stays as a reminder while the engine is away. What fails is logged: it may stop no worker.
    """
    uuid = scratch.uuid_in(name)
    try:
        with runtime.database.read() as session:
            goes_on = jobs.is_open(session, uuid)
        if not goes_on:
            (engine or engine_for(runtime.settings)).remove_by_label(LABEL, uuid)
        scratch.remove(runtime.scratch, name)
    except DomainError as exc:
        log.warning("what build %s left on the engine stays there for now: %s", uuid, exc.detail)
    except Exception:
        log.exception("what build %s left here stays for now", uuid)
