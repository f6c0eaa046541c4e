"""The outbox: what is to be sent is written in the transaction of what it tells of, and sent by a worker afterwards.

A worker takes a row for a time and then says how it went. One that dies says nothing, and the row is due again: so
everything is sent at least once, whatever is killed. Every change names the attempt that it ends, so that of two
workers one at most is believed.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, and_, delete, func, select, update

from models.session import Session
from models.tables import Delivery
from models.tables.base import now

QUEUE = "deliveries"
LEASE = timedelta(minutes=3)
"""For how long a row is a worker's: longer than any attempt takes."""
PAUSES_S = (5, 30, 120, 600, 1800, 3600, 7200)
"""Pauses after the first, the second, … attempt that failed; after one more, the row is given up."""
KEPT = timedelta(days=30)
"""For how long rows that have ended can be looked at."""


@dataclass(frozen=True)
class Attempt:
    """One worker's hold on a row. `sealed` is the message, encrypted."""

    delivery_id: int
    uuid: str
    kind: str
    sealed: str
    owner: str
    number: int


def send(session: Session, kind: str, message: dict[str, Any]) -> Delivery:
    """Have `message` sent by the kind's sender (`buildworker.deliveries`) once this transaction has committed."""
    delivery = Delivery(kind=kind, encrypted_message=session.vault.encrypt(json.dumps(message)))
    session.add(delivery)
    session.flush()
    session.wake(QUEUE, delivery.uuid)
    return delivery


def message_of(session: Session, attempt: Attempt) -> dict[str, Any]:
    """What is to be sent; Undecryptable."""
    message: dict[str, Any] = json.loads(session.vault.decrypt(attempt.sealed))
    return message


def count_due(session: Session, *, limit: int) -> int:
    """How many rows are due now, counted up to `limit`."""
    due = select(Delivery.id).where(_due()).limit(limit).subquery()
    return session.scalars(select(func.count()).select_from(due)).one()


def take(session: Session, owner: str) -> Attempt | None:
    """Take the row that has been due for longest; None if none is. `owner` names the process that sends it."""
    longest = select(Delivery).where(_due()).order_by(Delivery.due_at, Delivery.id).limit(1)
    row = session.scalar(longest.with_for_update(skip_locked=True))
    if row is None:
        return None
    row.owner, row.due_at, row.attempts = owner, now() + LEASE, row.attempts + 1
    return Attempt(row.id, row.uuid, row.kind, row.encrypted_message or "", owner, row.attempts)


def succeed(session: Session, attempt: Attempt) -> bool:
    """The row has been sent; false if another worker holds it by now."""
    return _end(session, attempt, state="delivered", error=None)


def give_up(session: Session, attempt: Attempt, error: str) -> bool:
    """The row cannot be sent, now or later; false if another worker holds it by now."""
    return _end(session, attempt, state="failed", error=error)


def put_off(session: Session, attempt: Attempt, error: str) -> bool:
    """The attempt failed: try again after a pause, or give the row up if it was tried often enough."""
    if attempt.number > len(PAUSES_S):
        return give_up(session, attempt, error)
    pause = timedelta(seconds=PAUSES_S[attempt.number - 1])
    return _changed(session, _held(attempt), owner=None, due_at=now() + pause, error=error)


def release_dead(session: Session, is_dead: Callable[[str], bool]) -> int:
    """Make due what processes held that are known to be dead, without waiting for their time to pass; how many rows."""
    held = and_(Delivery.state == "waiting", Delivery.owner.is_not(None))
    owners = [owner for owner in session.scalars(select(Delivery.owner).where(held).distinct()) if is_dead(owner or "")]
    statement = update(Delivery).where(held, Delivery.owner.in_(owners)).values(owner=None, due_at=now())
    done = session.execute(statement.execution_options(synchronize_session=False))
    return cast("CursorResult[Any]", done).rowcount


def forget_old(session: Session) -> None:
    """Delete the rows that ended long ago."""
    old = delete(Delivery).where(Delivery.finished_at < now() - KEPT)
    session.execute(old.execution_options(synchronize_session=False))


def _due() -> ColumnElement[bool]:
    return and_(Delivery.state == "waiting", Delivery.due_at <= now())


def _held(attempt: Attempt) -> ColumnElement[bool]:
    mine = and_(Delivery.owner == attempt.owner, Delivery.attempts == attempt.number)
    return and_(Delivery.id == attempt.delivery_id, Delivery.state == "waiting", mine)


def _end(session: Session, attempt: Attempt, **values: Any) -> bool:
    return _changed(session, _held(attempt), owner=None, encrypted_message=None, finished_at=now(), **values)


def _changed(session: Session, condition: ColumnElement[bool], **values: Any) -> bool:
    statement = update(Delivery).where(condition).values(**values).execution_options(synchronize_session=False)
    return cast("CursorResult[Any]", session.execute(statement)).rowcount == 1
