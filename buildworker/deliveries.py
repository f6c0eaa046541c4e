"""Sending what is in the outbox: one attempt at a time, and what becomes of it."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from buildworker import notify, smtp
from buildworker.runtime import Runtime
from models import announcements, deliveries, mail, notifications
from models.deliveries import Attempt, Outcome
from models.errors import DomainError, Upstream
from models.session import Session
from models.tables.base import now
from models.tables.deliveries import DeliveryState
from models.vault import Undecryptable

log = logging.getLogger(__name__)


def _send_mail(runtime: Runtime, uuid: str, message: dict[str, Any]) -> None:
    smtp.send(runtime.settings, uuid=uuid, to=message["to"], subject=message["subject"], text=message["text"])


SENDERS: Mapping[str, Callable[[Runtime, str, dict[str, Any]], None]] = {mail.KIND: _send_mail}
"""What sends the message of a row, known by its uuid. Upstream: another try may help; other DomainErrors: none will."""


def deliver(runtime: Runtime, attempt: Attempt) -> None:
    """Make the attempt, and write down how it went."""
    if attempt.kind == announcements.KIND:
        with runtime.database.write() as session:
            announcements.spread(session, runtime.settings, attempt)
        return
    at, begun = now(), time.monotonic()
    outcome = _attempted(runtime, attempt)
    duration_ms = int((time.monotonic() - begun) * 1000)
    with runtime.database.write() as session:
        state = _ended(session, attempt, outcome)
        if state and attempt.told and outcome.request:
            deliveries.record_attempt(session, attempt, outcome, at=at, duration_ms=duration_ms)
            notifications.count(session, attempt.told.notification_id, state)
    if outcome.error:
        log.warning("%s %s, attempt %d: %s", attempt.kind, attempt.uuid, attempt.number, outcome.error)


def _attempted(runtime: Runtime, attempt: Attempt) -> Outcome:
    try:
        if attempt.told:
            return notify.send(runtime, attempt, attempt.told)
        with runtime.database.read() as session:
            message = deliveries.message_of(session, attempt)
        SENDERS[attempt.kind](runtime, attempt.uuid, message)
    except (DomainError, Undecryptable) as exc:
        return Outcome(error=str(exc), final=not isinstance(exc, Upstream))
    return Outcome()


def _ended(session: Session, attempt: Attempt, outcome: Outcome) -> DeliveryState | None:
    if outcome.error is None:
        return "delivered" if deliveries.succeed(session, attempt) else None
    return deliveries.fail(session, attempt, outcome.error, final=outcome.final)
