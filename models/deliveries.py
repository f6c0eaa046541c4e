"""The outbox: what is to be sent is written in the transaction of what it tells of, and sent by a worker afterwards.

A worker takes a row for a time and then says how it went. One that dies says nothing, and the row is due again: so
everything is sent at least once, whatever is killed. Every change names the attempt that it ends, so that of two
workers one at most is believed.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import uuid4

from sqlalchemy import ColumnElement, CursorResult, Select, and_, delete, exists, func, select, update
from sqlalchemy.orm import aliased

from models.session import Session
from models.tables import Delivery, DeliveryAttempt, Notification, Repository
from models.tables.base import now
from models.tables.deliveries import DeliveryState

QUEUE = "deliveries"
LEASE = timedelta(minutes=3)
"""For how long a row is a worker's: longer than any attempt takes."""
PAUSES_S = (5, 30, 120, 600, 1800, 3600, 7200)
"""Pauses after the first, the second, … attempt that failed, as far as the row has more attempts."""
ATTEMPTS = 8
ATTEMPTS_OF_A_NOTIFICATION = 5
KEPT = timedelta(days=30)
"""For how long rows that have ended can be looked at."""


@dataclass(frozen=True)
class Attempt:
    """One worker's hold on a row. `sealed` is the message, encrypted; a notification's row has a `told` instead."""

    delivery_id: int
    uuid: str
    kind: str
    sealed: str
    owner: str
    number: int
    most: int = ATTEMPTS
    told: "Told | None" = None


@dataclass(frozen=True)
class Told:
    """What a notification's row tells. `forced`: also if the notification failed too often to be sent."""

    notification_id: int
    event: str
    data: dict[str, Any]
    message_id: str
    performer: str | None
    forced: bool


@dataclass(frozen=True)
class Outcome:
    """What an attempt led to: nothing wrong, or an `error`, which another attempt may mend or not (`final`).

    `request` is what was sent, without what would open something; `status` and `answer` what came back.
    """

    error: str | None = None
    final: bool = False
    request: dict[str, Any] | None = None
    status: int | None = None
    answer: str | None = None


def send(session: Session, kind: str, message: dict[str, Any]) -> Delivery:
    """Have `message` sent by the kind's sender (`buildworker.deliveries`) once this transaction has committed."""
    delivery = Delivery(kind=kind, encrypted_message=session.vault.encrypt(json.dumps(message)), urgent=True)
    session.add(delivery)
    session.flush()
    session.wake(QUEUE, delivery.uuid)
    return delivery


def message_of(session: Session, attempt: Attempt) -> dict[str, Any]:
    """What is to be sent; Undecryptable."""
    message: dict[str, Any] = json.loads(session.vault.decrypt(attempt.sealed))
    return message


def count_due(session: Session, owner: str, *, urgent: bool, limit: int, most_of_one: int | None = None) -> int:
    """How many rows of this urgency the process could take now, counted up to `limit`; see `take`."""
    due = _takeable(session, owner, urgent=urgent, most_of_one=most_of_one)
    counted = due.with_only_columns(Delivery.id).limit(limit).subquery()
    return session.scalars(select(func.count()).select_from(counted)).one()


def take(session: Session, owner: str, *, urgent: bool, most_of_one: int | None = None) -> Attempt | None:
    """Take the row of this urgency that has been due for longest; None if none is. `owner` names the process.

    Of one notification's rows one at a time is taken: a receiver that is slow keeps its own rows waiting. Of one
    namespace's no more than `most_of_one` are the process's at a time, so that many slow ones do not keep the others'.
    """
    due = _takeable(session, owner, urgent=urgent, most_of_one=most_of_one)
    longest = due.order_by(Delivery.due_at, Delivery.id).limit(1)
    row = session.scalar(longest.with_for_update(skip_locked=True, key_share=True))
    if row is None:
        return None
    row.owner, row.due_at, row.attempts = owner, now() + LEASE, row.attempts + 1
    sealed, told = row.encrypted_message or "", _told(row)
    return Attempt(row.id, row.uuid, row.kind, sealed, owner, row.attempts, row.max_attempts, told)


def succeed(session: Session, attempt: Attempt) -> bool:
    """The row has been sent; false if another worker holds it by now."""
    return _end(session, attempt, state="delivered", error=None)


def fail(session: Session, attempt: Attempt, error: str, *, final: bool = False) -> DeliveryState | None:
    """The attempt failed: try again after a pause, or give the row up (`final`, or it was tried often enough).

    The state that follows; None if another worker holds the row by now.
    """
    if final or attempt.number >= attempt.most:
        return "failed" if _end(session, attempt, state="failed", error=error) else None
    pause = timedelta(seconds=PAUSES_S[min(attempt.number, len(PAUSES_S)) - 1])
    return "waiting" if _changed(session, _held(attempt), owner=None, due_at=now() + pause, error=error) else None


def record_attempt(session: Session, attempt: Attempt, outcome: Outcome, *, at: datetime, duration_ms: int) -> None:
    """Keep what an attempt at a notification's row sent and what came back."""
    row = DeliveryAttempt(delivery_id=attempt.delivery_id, number=attempt.number, at=at, duration_ms=duration_ms)
    row.request, row.status, row.answer, row.error = outcome.request, outcome.status, outcome.answer, outcome.error
    session.merge(row)


def new_for(
    notification: Notification, data: dict[str, Any], *, performer: str | None = None, once: bool = False
) -> Delivery:
    """A row, not yet part of a session, that tells `data` by the notification. `once`: one attempt, and in any case."""
    uuid = str(uuid4())
    return Delivery(
        uuid=uuid,
        kind=notification.method,
        notification_id=notification.id,
        event=notification.event,
        payload={"data": data, "performer": performer},
        message_id=f"msg_{uuid.replace('-', '')}",
        max_attempts=1 if once else ATTEMPTS_OF_A_NOTIFICATION,
        forced=once,
    )


def end_at_once(row: Delivery, *, error: str | None = None) -> None:
    """Note that the row needs no worker: what it tells has been told in the same transaction, or cannot be."""
    row.state, row.error, row.finished_at = "failed" if error else "delivered", error, now()


def release_dead(session: Session, is_dead: Callable[[str], bool]) -> int:
    """Make due what processes held that are known to be dead, without waiting for their time to pass; how many rows."""
    held = and_(Delivery.state == "waiting", Delivery.owner.is_not(None))
    owners = [owner for owner in session.scalars(select(Delivery.owner).where(held).distinct()) if is_dead(owner or "")]
    statement = update(Delivery).where(held, Delivery.owner.in_(owners)).values(owner=None, due_at=now())
    done = session.execute(statement.execution_options(synchronize_session=False))
    return cast("CursorResult[Any]", done).rowcount


def release(session: Session, owner: str) -> None:
    """Make due at once what the process still holds, which is about to end."""
    release_dead(session, lambda each: each == owner)


def forget_old(session: Session, *, limit: int = 1000) -> int:
    """Delete rows that ended long ago; how many, which is `limit` if there may be more."""
    old = select(Delivery.id).where(Delivery.finished_at < now() - KEPT).limit(limit)
    done = session.execute(delete(Delivery).where(Delivery.id.in_(old)).execution_options(synchronize_session=False))
    return cast("CursorResult[Any]", done).rowcount


def count_waiting(session: Session) -> dict[str, int]:
    """How many rows of each kind are still to be sent, for metrics."""
    query = select(Delivery.kind, func.count()).where(Delivery.state == "waiting").group_by(Delivery.kind)
    return dict(session.execute(query).all())


def _told(row: Delivery) -> Told | None:
    if row.notification_id is None or row.payload is None:
        return None
    data, performer = row.payload["data"], row.payload["performer"]
    event, message_id = row.event or "", row.message_id or row.uuid
    return Told(row.notification_id, event, data, message_id, performer, bool(row.forced))


def _due() -> ColumnElement[bool]:
    other, present = aliased(Delivery), now()
    same = and_(other.notification_id == Delivery.notification_id, other.owner.is_not(None))
    under_way = exists().where(same, other.state == "waiting", other.due_at > present)
    return and_(Delivery.state == "waiting", Delivery.due_at <= present, ~under_way)


def _takeable(session: Session, owner: str, *, urgent: bool, most_of_one: int | None) -> Select[Delivery]:
    due = select(Delivery).where(Delivery.urgent.is_(urgent), _due())
    if not urgent:  # locked as well, so that workers who look at the same moment see different ones
        due = due.join(Notification, Notification.id == Delivery.notification_id)
    if most_of_one is not None and (busy := _busy(session, owner, most_of_one)):
        due = due.where(_NAMESPACE.not_in(busy))
    return due


_NAMESPACE = func.coalesce(
    Notification.namespace_id,
    select(Repository.namespace_id).where(Repository.id == Notification.repository_id).scalar_subquery(),
)
"""Whose a notification is, be it of a repository or of all."""


def _busy(session: Session, owner: str, most: int) -> list[int]:
    """The namespaces of which the process holds so many rows of notifications, or more."""
    held = and_(Delivery.owner == owner, Delivery.owner.is_not(None), Delivery.state == "waiting")
    query = select(_NAMESPACE).select_from(Delivery).join(Notification, Notification.id == Delivery.notification_id)
    counted = Counter(session.scalars(query.where(held, Delivery.due_at > now())))
    return [namespace_id for namespace_id, number in counted.items() if number >= most]


def _held(attempt: Attempt) -> ColumnElement[bool]:
    mine = and_(Delivery.owner == attempt.owner, Delivery.attempts == attempt.number)
    return and_(Delivery.id == attempt.delivery_id, Delivery.state == "waiting", mine)


def _end(session: Session, attempt: Attempt, **values: Any) -> bool:
    return _changed(session, _held(attempt), owner=None, encrypted_message=None, finished_at=now(), **values)


def _changed(session: Session, condition: ColumnElement[bool], **values: Any) -> bool:
    statement = update(Delivery).where(condition).values(**values).execution_options(synchronize_session=False)
    return cast("CursorResult[Any]", session.execute(statement)).rowcount == 1
