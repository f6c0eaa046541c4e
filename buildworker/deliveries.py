"""Sending what is in the outbox: one attempt at a time, and what becomes of it."""

import logging
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from buildworker import notify, smtp, webhooks
from buildworker.outbound import Outbound
from buildworker.runtime import Runtime
from models import announcements, deliveries, log_exports, mail, notifications
from models.deliveries import Attempt, Outcome
from models.errors import DomainError, Invalid, Upstream
from models.redaction import without_query
from models.session import Session
from models.tables.base import now
from models.tables.deliveries import DeliveryState
from models.vault import Undecryptable

log = logging.getLogger(__name__)

_MISTAKE = Outcome(error="something unexpected happened in the worker; its own log tells what")
_LOST = 3
"""How often a row may lose its worker before it is taken for the reason."""


def _send_mail(runtime: Runtime, uuid: str, message: dict[str, Any]) -> None:
    smtp.send(runtime.settings, uuid=uuid, to=message["to"], subject=message["subject"], text=message["text"])


def _call_back(runtime: Runtime, uuid: str, message: dict[str, Any]) -> None:
    outbound = Outbound(runtime.settings.OUTBOUND_ALLOWED_PRIVATE_HOSTS)
    shown = without_query(message["url"])
    outcome = webhooks.post_json(
        outbound, message["url"], message["content"], secret=None, message_id=uuid, shown=shown
    )
    if outcome.error:
        raise Invalid(outcome.error) if outcome.final else Upstream(outcome.error)


SENDERS: Mapping[str, Callable[[Runtime, str, dict[str, Any]], None]] = {
    log_exports.CALLBACK: _call_back,
    mail.KIND: _send_mail,
}
"""What sends the message of a row, known by its uuid. Upstream: another try may help; other DomainErrors: none will."""


def deliver(runtime: Runtime, attempt: Attempt) -> None:
    """Make the attempt, and write down how it went."""
    if attempt.number > attempt.most + _LOST:
        _conclude(runtime, attempt, Outcome(error="its worker was lost again and again while it sent this", final=True))
    elif attempt.kind == announcements.KIND:
        _spread(runtime, attempt)
    else:
        _send(runtime, attempt)


def _spread(runtime: Runtime, attempt: Attempt) -> None:
    try:
        with runtime.database.write() as session:
            announcements.spread(session, runtime.settings, attempt)
    except SQLAlchemyError:
        raise  # it is not the row's fault
    except Exception:
        log.exception("the event %s could not be spread", attempt.uuid)
        _conclude(runtime, attempt, _MISTAKE)


def _send(runtime: Runtime, attempt: Attempt) -> None:
    at, begun = now(), time.monotonic()
    outcome = _attempted(runtime, attempt)
    _conclude(runtime, attempt, outcome, at=at, duration_ms=int((time.monotonic() - begun) * 1000))


def _conclude(
    runtime: Runtime, attempt: Attempt, outcome: Outcome, *, at: datetime | None = None, duration_ms: int = 0
) -> None:
    """Write down what the attempt led to; in the log, too, if it sent something `at` that moment."""
    with runtime.database.write() as session:
        state = _ended(session, attempt, outcome)
        if state and attempt.told and outcome.request and at:
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
    except SQLAlchemyError:
        raise  # it is not the row's fault
    except Exception:
        log.exception("%s %s could not be sent", attempt.kind, attempt.uuid)
        return _MISTAKE
    return Outcome()


def _ended(session: Session, attempt: Attempt, outcome: Outcome) -> DeliveryState | None:
    if outcome.error is None:
        return "delivered" if deliveries.succeed(session, attempt) else None
    return deliveries.fail(session, attempt, outcome.error, final=outcome.final)
