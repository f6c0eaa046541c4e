"""Whose build is next: namespaces take turns, and none has more running at once than it may.

The line is one query, for workers that take the first one and for people who ask how long they wait. A build's place in
it follows from its priority, then from how many builds of its namespace run or wait before it, then from when the
namespace had its last turn: so a namespace with a hundred builds lets one with a single build pass.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import CTE, Row, Select, and_, func, literal, select, update

from models import audit, jobs
from models.access import Identity
from models.dialect import insert_new
from models.jobs import Lease
from models.session import Session
from models.tables import Account, Build, BuildShare, Job
from models.tables.base import now

QUEUE = "builds"
_NO_LIMIT = 1 << 30
_TRIES = 10


@dataclass(frozen=True)
class Place:
    """Where a waiting build stands. `limit`: its namespace has so many running, and no more are allowed, if set.

    `position` counts from 1; None for one that waits until `pause_s` seconds have passed before its next attempt.
    """

    position: int | None
    priority: int
    limit: int | None = None
    pause_s: float = 0.0

    def waiting_for(self, workers: int | None) -> str:
        """What has to happen before it begins, in words. `workers`: how many there are, where known."""
        if workers == 0:
            return "no worker is running"
        if self.position is None:
            return f"the next attempt, in {math.ceil(self.pause_s)} s"
        if self.limit is not None:
            return f"the namespace's limit of {self.limit} running builds"
        if self.position > 1:
            ahead = self.position - 1
            return f"{ahead} build{'s' if ahead > 1 else ''} ahead"
        return "a free worker"


def claim_next(session: Session, owner: str, *, limit: int | None) -> Lease | None:
    """Take the first build that may run; None if none does. `limit`: most running ones of a namespace by default."""
    for _ in range(_TRIES):
        first = session.execute(_startable(limit).limit(1)).first()
        if first is None:
            return None
        if _has_room(session, first) and (lease := jobs.claim(session, first.uuid, owner)):
            _took_turn(session, first)
            return lease
    return None


def startable(session: Session, *, limit: int | None, older_than: timedelta = timedelta()) -> list[str]:
    """The builds for which a worker could begin now and could have for at least that long, the first ones first."""
    line = _startable(limit, older_than=older_than)
    return [row.uuid for row in session.execute(line.limit(1000))]


def places(session: Session, builds: Sequence[Build], *, limit: int | None) -> dict[str, Place]:
    """By uuid, where those of the builds stand that wait."""
    waiting = [build for build in builds if build.job.state == "queued"]
    if not waiting:
        return {}
    line = _line(limit)
    of_these = line.c.uuid.in_([build.uuid for build in waiting])
    found = {row.uuid: row for row in session.execute(select(line).where(of_these))}
    return {build.uuid: _place(build.job, found.get(build.uuid)) for build in waiting}


def set_priority(session: Session, build: Build, priority: int, *, actor: Identity) -> None:
    """Let the build pass those of lower priority, or be passed. It matters while the build waits."""
    before, build.job.priority = build.job.priority, priority
    session.flush()
    audit.record(
        session,
        "change_build_priority",
        actor=actor,
        repository=build.repository,
        build_id=build.uuid,
        priority=priority,
        old_priority=before,
    )


def share_of(session: Session, namespace: Account) -> BuildShare:
    """What a superuser has set for the namespace's builds; without anything set, a row that nobody has kept."""
    share = session.get(BuildShare, namespace.id)
    return share or BuildShare(namespace_id=namespace.id, max_running=None, priority=0)


def priority_of(session: Session, namespace: Account) -> int:
    """The priority that builds of the namespace begin with."""
    return session.scalar(select(BuildShare.priority).where(BuildShare.namespace_id == namespace.id)) or 0


def set_share(
    session: Session, namespace: Account, *, max_running: int | None, priority: int, actor: Identity
) -> BuildShare:
    """How many builds of the namespace may run at once (None: as configured), and what priority they have.

    Those that wait already get it, too.
    """
    insert_new(session, BuildShare, [{"namespace_id": namespace.id, "priority": priority}])
    share = session.get_one(BuildShare, namespace.id, populate_existing=True)
    share.max_running, share.priority = max_running, priority
    waits = and_(Job.namespace_id == namespace.id, Job.queue == QUEUE, Job.state == "queued")
    session.execute(update(Job).where(waits).values(priority=priority))
    session.flush()
    kind = "change_namespace_builds"
    audit.record(session, kind, actor=actor, namespace=namespace, max_running=max_running, priority=priority)
    return share


def _line(limit: int | None, *, older_than: timedelta = timedelta()) -> CTE:
    """All that wait and are due, with their `position`; `number` is that in their namespace, running ones counted."""
    running = (
        select(Job.namespace_id, func.count().label("running"))
        .where(Job.queue == QUEUE, Job.state == "running")
        .group_by(Job.namespace_id)
        .subquery()
    )
    in_namespace = func.row_number().over(
        partition_by=Job.namespace_id, order_by=(Job.priority.desc(), Job.queued_at, Job.id)
    )
    waits = (
        select(
            Job.id,
            Job.uuid,
            Job.namespace_id,
            Job.priority,
            Job.queued_at,
            BuildShare.served_at,
            (func.coalesce(running.c.running, 0) + in_namespace).label("number"),
            func.coalesce(BuildShare.max_running, literal(_NO_LIMIT if limit is None else limit)).label("most"),
        )
        .outerjoin(running, running.c.namespace_id == Job.namespace_id)
        .outerjoin(BuildShare, BuildShare.namespace_id == Job.namespace_id)
        .where(Job.queue == QUEUE, Job.state == "queued", Job.queued_at <= now() - older_than)
        .subquery()
    )
    order = (waits.c.priority.desc(), waits.c.number, waits.c.served_at.asc().nulls_first(), waits.c.queued_at)
    position = func.row_number().over(order_by=(*order, waits.c.id)).label("position")
    return select(waits, position).cte("line")


def _startable(limit: int | None, *, older_than: timedelta = timedelta()) -> Select[Any]:
    line = _line(limit, older_than=older_than)
    return select(line).where(line.c.number <= line.c.most).order_by(line.c.position)


def _has_room(session: Session, first: Row[Any]) -> bool:
    """Whether the namespace has room for one more; no other worker can take that until this transaction has ended."""
    if first.namespace_id is None:
        return True
    insert_new(session, BuildShare, [{"namespace_id": first.namespace_id, "priority": 0}])
    session.execute(select(BuildShare).where(BuildShare.namespace_id == first.namespace_id).with_for_update())
    runs = and_(Job.namespace_id == first.namespace_id, Job.queue == QUEUE, Job.state == "running")
    running = session.scalars(select(func.count()).select_from(Job).where(runs)).one()
    return bool(running < first.most)


def _took_turn(session: Session, first: Row[Any]) -> None:
    served = update(BuildShare).where(BuildShare.namespace_id == first.namespace_id).values(served_at=now())
    session.execute(served.execution_options(synchronize_session=False))


def _place(job: Job, row: Row[Any] | None) -> Place:
    if row is None:
        return Place(None, job.priority, pause_s=max((job.queued_at - now()).total_seconds(), 0.0))
    return Place(row.position, row.priority, row.most if row.number > row.most else None)
