"""Sending what is in the outbox: one attempt at a time, and what becomes of it."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from buildworker import smtp
from buildworker.runtime import Runtime
from models import deliveries, mail
from models.deliveries import Attempt
from models.errors import DomainError, Upstream
from models.vault import Undecryptable

log = logging.getLogger(__name__)

Sender = Callable[[Runtime, Attempt, dict[str, Any]], None]


def _send_mail(runtime: Runtime, attempt: Attempt, message: dict[str, Any]) -> None:
    smtp.send(runtime.settings, uuid=attempt.uuid, to=message["to"], subject=message["subject"], text=message["text"])


SENDERS: Mapping[str, Sender] = {mail.KIND: _send_mail}
"""What sends a row of each kind. Upstream: another try may help; every other DomainError: none will."""


def deliver(runtime: Runtime, attempt: Attempt) -> None:
    """Make the attempt, and write down how it went."""
    try:
        with runtime.database.read() as session:
            message = deliveries.message_of(session, attempt)
        SENDERS[attempt.kind](runtime, attempt, message)
    except Upstream as exc:
        log.warning("%s %s is not delivered in attempt %d: %s", attempt.kind, attempt.uuid, attempt.number, exc.detail)
        with runtime.database.write() as session:
            deliveries.put_off(session, attempt, exc.detail)
    except (DomainError, Undecryptable) as exc:
        log.warning("%s %s is given up: %s", attempt.kind, attempt.uuid, exc)
        with runtime.database.write() as session:
            deliveries.give_up(session, attempt, str(exc))
    else:
        with runtime.database.write() as session:
            deliveries.succeed(session, attempt)
