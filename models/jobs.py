"""The life of a job of any kind: queued, held by one worker at a time, finished; queued again when its worker is lost.

Every change is one UPDATE that names the state it starts from, so that two processes can never both make it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, cast

from sqlalchemy import ColumnElement, CursorResult, and_, func, select, update

from models.session import Session
from models.tables import Account, Job
from models.tables.base import now
from models.tables.jobs import Failure, JobResult

WAITING = "waiting"
"""The phase of a job that is in the queue."""
OPEN = ("queued", "running")

Standing = Literal["held", "cancelled", "lost"]
"""How a worker stands to the job it works on: still its own, to be ended, or no longer its own."""


@dataclass(frozen=True)
class Lease:
    """One worker's hold on a job. Every change to the job names it, and does nothing once another holds the job.

    What belongs to the job in other tables is only to be written in the transaction of such a change that was made.
    """

    job_id: int
    uuid: str
    kind: str
    queue: str
    owner: str
    attempt: int
    max_attempts: int

    @property
    def is_last(self) -> bool:
        """Whether the job is given up if this attempt is lost."""
        return self.attempt >= self.max_attempts


@dataclass(frozen=True)
class Lost:
    """A job whose worker was lost, and what became of it: queued again, given up (`error` tells), or cancelled."""

    uuid: str
    kind: str
    attempt: int
    outcome: Literal["queued", "internalerror", "cancelled"]
    error: str | None = None


def enqueue(
    session: Session,
    *,
    kind: str,
    queue: str,
    namespace: Account | None,
    phase: str = WAITING,
    max_attempts: int = 3,
    priority: int = 0,
) -> Job:
    """Record a job and wake a worker of the queue once the transaction has committed."""
    job = Job(kind=kind, queue=queue, namespace_id=namespace.id if namespace else None, phase=phase)
    job.max_attempts, job.priority = max_attempts, priority
    session.add(job)
    session.flush()
    session.wake(queue, job.uuid)
    return job


def claim(session: Session, uuid: str, owner: str) -> Lease | None:
    """Take a queued job that is due; None if there is none, not yet, or another worker was first.

    `owner` names the process that works on it; no two processes have the same.
    """
    present = now()
    taken = _changed(
        session,
        and_(Job.uuid == uuid, Job.state == "queued", Job.queued_at <= present),
        state="running",
        owner=owner,
        attempts=Job.attempts + 1,
        started_at=func.coalesce(Job.started_at, present),
        heartbeat_at=present,
    )
    if not taken:
        return None
    job = session.scalars(select(Job).where(Job.uuid == uuid).execution_options(populate_existing=True)).one()
    return Lease(job.id, job.uuid, job.kind, job.queue, owner, job.attempts, job.max_attempts)


def standing(session: Session, lease: Lease) -> Standing:
    """Whether the job is still this worker's, and whether it is to be cancelled."""
    cancelled = session.scalar(select(Job.cancel_requested).where(_held(lease)))
    return "lost" if cancelled is None else "cancelled" if cancelled else "held"


def heartbeat(session: Session, lease: Lease) -> bool:
    """Show that the worker lives; false if the job is no longer its own."""
    return _changed(session, _held(lease), heartbeat_at=now())


def set_phase(session: Session, lease: Lease, phase: str) -> Standing:
    """Enter a phase, unless somebody has asked to cancel the job or it is no longer this worker's."""
    if _changed(session, and_(_held(lease), Job.cancel_requested.is_(False)), phase=phase, heartbeat_at=now()):
        return "held"
    return standing(session, lease)


def finish(
    session: Session,
    lease: Lease,
    result: JobResult,
    *,
    phase: str | None = None,
    error: str | None = None,
    failure: Failure | None = None,
) -> JobResult | None:
    """End the job; the result recorded, or None if the job is no longer this worker's.

    A job that somebody asked to cancel ends cancelled, whatever became of it. `phase` is the kind's word for a
    success; the other results are their own.
    """
    end = {"state": "finished", "finished_at": now()}
    wanted = _held(lease) if result == "cancelled" else and_(_held(lease), Job.cancel_requested.is_(False))
    if _changed(session, wanted, result=result, phase=phase or result, error=error, failure=failure, **end):
        return result
    return "cancelled" if _changed(session, _held(lease), result="cancelled", phase="cancelled", **end) else None


def release(session: Session, lease: Lease, *, delay: timedelta = timedelta(), refund: bool = False) -> bool:
    """Put the job back into the queue, to be taken again after `delay`; false if it is not this worker's to put back.

    `refund`: the attempt does not count. A job that somebody asked to cancel is not put back; finish it.
    """
    done = _changed(
        session,
        and_(_held(lease), Job.cancel_requested.is_(False)),
        state="queued",
        owner=None,
        phase=WAITING,
        queued_at=now() + delay,
        attempts=Job.attempts - (1 if refund else 0),
    )
    if done and not delay:
        session.wake(lease.queue, lease.uuid)
    return done


def request_cancel(session: Session, job: Job, phases: Collection[str]) -> bool:
    """Cancel a job that waits, or ask its worker to, in one of `phases`; false if it is too late or already asked for.

    Once this has answered true the job cannot go on to another phase.
    """
    waits = and_(Job.id == job.id, Job.state == "queued")
    end = {"state": "finished", "result": "cancelled", "phase": "cancelled", "finished_at": now()}
    runs = and_(Job.id == job.id, Job.state == "running", Job.phase.in_(phases), Job.cancel_requested.is_(False))
    done = _changed(session, waits, cancel_requested=True, **end) or _changed(session, runs, cancel_requested=True)
    session.refresh(job)
    return done


def requeue_lost(session: Session, timeout: timedelta) -> list[Lost]:
    """Put back the running jobs without a sign of life for `timeout`, or give up those that were tried often enough."""
    condition = _silent(timeout)
    jobs = session.scalars(select(Job).where(condition).order_by(Job.id)).all()
    return [lost for job in jobs if (lost := _put_back(session, job, condition))]


def requeue_abandoned(session: Session, uuid: str, owner: str) -> Lost | None:
    """Put back a job whose worker is known to have died, without waiting for its silence to be noticed."""
    running = and_(Job.uuid == uuid, Job.state == "running", Job.owner == owner)
    job = session.scalar(select(Job).where(running))
    return _put_back(session, job, running) if job else None


def due(
    session: Session, *, older_than: timedelta = timedelta(), queues: Collection[str] | None = None, limit: int = 1000
) -> list[tuple[str, str]]:
    """(queue, uuid) of the jobs that have waited for a worker at least that long, the oldest first.

    `queues`: in these only.
    """
    waits = and_(Job.state == "queued", Job.queued_at <= now() - older_than)
    if queues is not None:
        waits = and_(waits, Job.queue.in_(queues))
    rows = session.execute(select(Job.queue, Job.uuid).where(waits).order_by(Job.queued_at, Job.id).limit(limit))
    return [(queue, uuid) for queue, uuid in rows]


def silent(session: Session, timeout: timedelta) -> bool:
    """Whether `requeue_lost` would find any."""
    return session.scalar(select(Job.id).where(_silent(timeout)).limit(1)) is not None


def is_open(session: Session, uuid: str) -> bool:
    """Whether the job waits or runs. One that does not never will again."""
    return session.scalar(select(Job.id).where(Job.uuid == uuid, Job.state.in_(OPEN))) is not None


def owners(session: Session) -> dict[str, str]:
    """By uuid, who holds each running job."""
    rows = session.execute(select(Job.uuid, Job.owner).where(Job.state == "running"))
    return {uuid: owner or "" for uuid, owner in rows}


def open_jobs(session: Session, namespace: Account, kind: str) -> int:
    """How many jobs of the kind wait or run in the namespace."""
    mine = and_(Job.namespace_id == namespace.id, Job.state.in_(OPEN), Job.kind == kind)
    return session.scalars(select(func.count()).select_from(Job).where(mine)).one()


def count_open(session: Session) -> dict[tuple[str, str], int]:
    """How many jobs are in each (queue, state) of those that are not finished: the queues' lengths, for metrics."""
    query = select(Job.queue, Job.state, func.count()).where(Job.state.in_(OPEN)).group_by(Job.queue, Job.state)
    return {(queue, state): number for queue, state, number in session.execute(query)}


def _put_back(session: Session, job: Job, condition: ColumnElement[bool]) -> Lost | None:
    """End one stretch of a job whose worker is gone. `condition` makes sure that nobody else just did."""
    outcome: Literal["queued", "internalerror", "cancelled"] = "queued"
    values: dict[str, Any] = {"state": "queued", "owner": None, "phase": WAITING, "queued_at": now()}
    if job.cancel_requested or job.attempts >= job.max_attempts:
        outcome = "cancelled" if job.cancel_requested else "internalerror"
        values = {"state": "finished", "result": outcome, "phase": outcome, "finished_at": now()}
        if outcome == "internalerror":
            values |= {"error": _gave_up(job.attempts), "failure": "infrastructure"}
    same = and_(Job.id == job.id, condition, Job.cancel_requested.is_(job.cancel_requested))
    if not _changed(session, same, **values):
        return None
    if outcome == "queued":
        session.wake(job.queue, job.uuid)
    return Lost(job.uuid, job.kind, job.attempts, outcome, values.get("error"))


def _gave_up(attempts: int) -> str:
    return (
        f"The worker was lost {attempts} times while it ran this. See whether the worker's host ran out of memory or "
        "disk space, then start it again."
    )


def _silent(timeout: timedelta) -> ColumnElement[bool]:
    return and_(Job.state == "running", Job.heartbeat_at < now() - timeout)


def _held(lease: Lease) -> ColumnElement[bool]:
    return and_(Job.id == lease.job_id, Job.state == "running", Job.owner == lease.owner, Job.attempts == lease.attempt)


def _changed(session: Session, condition: ColumnElement[bool], **values: Any) -> bool:
    statement = update(Job).where(condition).values(**values).execution_options(synchronize_session=False)
    return cast("CursorResult[Any]", session.execute(statement)).rowcount == 1
