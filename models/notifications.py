"""Who is told of what: notifications of repositories and of namespaces, in one form."""

import base64
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, exists, select, update

from models import audit
from models.access import Identity
from models.addresses import Allowed
from models.errors import Conflict, Invalid, NotFound
from models.events import check_event
from models.notification_methods import Subject, Terms, check_method
from models.session import Session
from models.tables import Notification, Repository
from models.tables.deliveries import DeliveryState

MOST_FAILURES = 3
"""Deliveries given up one after the other, after which nothing more is sent until somebody resets it."""
MOST_OF_A_SUBJECT = 100
LARGEST_EVENT_CONFIG = 4096
_SECRET_PREFIX = "whsec_"  # noqa: S105 - of Standard Webhooks
_SECRET_BYTES = 32


@dataclass(frozen=True)
class Wish:
    """A notification as asked for."""

    event: str
    method: str
    config: dict[str, Any]
    event_config: dict[str, Any]
    title: str | None = None


def create_notification(
    session: Session, subject: Subject, wish: Wish, *, allowed: Allowed, actor: Identity
) -> tuple[Notification, str | None]:
    """Have somebody told, and the secret that signs what is sent to a webhook, to be shown once.

    `allowed`: private hosts that a webhook may be on. Invalid names what is wrong with the wish.
    Quay operations createRepoNotification, createOrgNotification, createUserNamespaceNotification.
    """
    check_event(wish.event, wish.event_config, of_namespace=subject.repository is None)
    if len(json.dumps(wish.event_config)) > LARGEST_EVENT_CONFIG:
        raise Invalid(f"eventConfig: expected at most {LARGEST_EVENT_CONFIG} bytes of JSON")
    check_method(session, Terms(subject, allowed), wish.method, wish.config)
    if len(list_notifications(session, subject)) >= MOST_OF_A_SUBJECT:
        raise Conflict(f"{subject.path} has {MOST_OF_A_SUBJECT} notifications, which is the most")
    secret = new_secret() if wish.method == "webhook" else None
    notification = Notification(
        repository=subject.repository,
        namespace=None if subject.repository else subject.namespace,
        event=wish.event,
        method=wish.method,
        title=wish.title,
        encrypted_config=session.vault.encrypt(json.dumps(wish.config)),
        event_config=wish.event_config,
        days_ahead=int(wish.event_config["days"]) if wish.event == "repo_image_expiry" else None,
        encrypted_secret=session.vault.encrypt(secret) if secret else None,
    )
    session.add(notification)
    session.flush()
    if subject.repository is not None:
        _note_pushes(session, subject.repository)
    _record(session, "add", subject, notification, actor)
    return notification, secret


def list_notifications(session: Session, subject: Subject) -> Sequence[Notification]:
    """All of the subject, oldest first."""
    return session.scalars(select(Notification).where(_of(subject)).order_by(Notification.id)).all()


def get_notification(session: Session, subject: Subject, uuid: str) -> Notification:
    """One of the subject's; NotFound."""
    notification = session.scalar(select(Notification).where(_of(subject), Notification.uuid == uuid))
    if notification is None:
        raise NotFound("Not Found")
    return notification


def config_of(session: Session, notification: Notification) -> dict[str, Any]:
    """What the method needs to know, as it was given."""
    config: dict[str, Any] = json.loads(session.vault.decrypt(notification.encrypted_config))
    return config


def remove_notification(session: Session, subject: Subject, notification: Notification, *, actor: Identity) -> None:
    """Tell nobody any more; what is still to be sent is not. Quay operations delete…Notification."""
    _record(session, "delete", subject, notification, actor)
    session.delete(notification)
    session.flush()
    if subject.repository is not None:
        _note_pushes(session, subject.repository)


def reset_failures(session: Session, subject: Subject, notification: Notification, *, actor: Identity) -> None:
    """Send again what failed too often to be sent. Quay operations reset…NotificationFailures."""
    notification.number_of_failures = 0
    _record(session, "reset", subject, notification, actor)


def replace_secret(session: Session, subject: Subject, notification: Notification, *, actor: Identity) -> str:
    """A new secret that signs from now on what is sent to the webhook; to be shown once.

    Quay has no kind of log entry for it; it is noted as what it resets.
    """
    if notification.method != "webhook":
        raise Invalid("only what is sent to a webhook is signed")
    secret = new_secret()
    notification.encrypted_secret = session.vault.encrypt(secret)
    _record(session, "reset", subject, notification, actor, secret="replaced")  # noqa: S106 - it tells none
    return secret


def secret_of(session: Session, notification: Notification) -> str | None:
    """What signs what is sent to a webhook; other methods have none."""
    return session.vault.decrypt(notification.encrypted_secret) if notification.encrypted_secret else None


def count(session: Session, notification_id: int, state: DeliveryState) -> None:
    """Note how a delivery ended: so many that failed in a row end all sending. One that waits again is no failure."""
    if state == "waiting":
        return
    mine = update(Notification).where(Notification.id == notification_id)
    if state == "failed":
        session.execute(mine.values(number_of_failures=Notification.number_of_failures + 1))
    else:
        session.execute(mine.where(Notification.number_of_failures > 0).values(number_of_failures=0))


def new_secret() -> str:
    """A random key as Standard Webhooks write it."""
    return _SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def key_of(secret: str) -> bytes:
    """The key that such a secret stands for."""
    return base64.b64decode(secret.removeprefix(_SECRET_PREFIX))


def _note_pushes(session: Session, repository: Repository) -> None:
    """Keep in the repository's own row, which every push reads, whether anybody wants to be told of pushes."""
    session.execute(select(Repository.id).where(Repository.id == repository.id).with_for_update())
    wanted = exists().where(Notification.repository_id == repository.id, Notification.event == "repo_push")
    session.execute(update(Repository).where(Repository.id == repository.id).values(tells_pushes=wanted))
    session.refresh(repository, ["tells_pushes"])


def _of(subject: Subject) -> ColumnElement[bool]:
    if subject.repository is not None:
        return Notification.repository_id == subject.repository.id
    return Notification.namespace_id == subject.namespace.id


_KINDS = {
    "add": ("add_repo_notification", "create_namespace_notification"),
    "delete": ("delete_repo_notification", "delete_namespace_notification"),
    "reset": ("reset_repo_notification", "reset_namespace_notification"),
}


def _record(
    session: Session, what: str, subject: Subject, notification: Notification, actor: Identity, **more: str
) -> None:
    audit.record(
        session,
        _KINDS[what][0 if subject.repository else 1],
        actor=actor,
        namespace=subject.namespace,
        repository=subject.repository,
        notification_id=notification.uuid,
        event=notification.event,
        method=notification.method,
        **more,
    )
