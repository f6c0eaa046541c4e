"""Telling what happened: an event is written down where it happens, and turned into deliveries by a worker.

The row is part of the transaction of what it tells of. The worker makes a delivery for each notification that wants
the event and ends the row in one transaction, so every notification gets each event once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select

from config.settings import Settings
from models import deliveries, user_notifications
from models.access import Identity
from models.deliveries import Attempt
from models.errors import Invalid
from models.events import EVENTS
from models.notification_methods import Subject, find_targets
from models.notifications import MOST_FAILURES, config_of
from models.session import Session
from models.tables import Account, Notification, Repository

KIND = "event"
IN_PRODUCT = "quay_notification"


@dataclass(frozen=True)
class Happening:
    """An event as it is told. `subpage`: the page of the repository that shows more. `performer`: who did it."""

    event: str
    data: dict[str, Any]
    subpage: str = ""
    performer: str | None = None


def announce(session: Session, subject: Subject, happening: Happening) -> None:
    """Tell all who want to know once this transaction has committed; nothing is written if nobody does."""
    listening = and_(_of(subject), Notification.event == happening.event, _is_enabled())
    if session.scalar(select(Notification.id).where(listening).limit(1)) is not None:
        _write(session, subject, happening)


def announce_push(session: Session, repository: Repository, tags: Sequence[str], *, actor: Identity) -> None:
    """Tell that tags were pushed; without asking the database whether anybody wants to know."""
    if repository.tells_pushes and tags:
        happening = Happening("repo_push", {"updated_tags": list(tags)}, performer=actor.name)
        _write(session, Subject(repository.namespace, repository), happening)


def announce_to(session: Session, notification: Notification, happening: Happening) -> None:
    """Tell by this notification alone."""
    _write(session, subject_of(notification), happening, notification_id=notification.id)


def test_notification(session: Session, notification: Notification, *, actor: Identity) -> None:
    """Send an example by it, once, also if it failed too often to be sent. Quay operations test…Notification."""
    event = EVENTS[notification.event]
    sample = event.sample(notification.event_config)
    subpage = f"/build/{sample['build_id']}" if "build_id" in sample else ""
    happening = Happening(notification.event, sample, subpage, actor.name)
    _write(session, subject_of(notification), happening, notification_id=notification.id, test=True)


def subject_of(notification: Notification) -> Subject:
    repository = notification.repository
    if repository is not None:
        return Subject(repository.namespace, repository)
    assert notification.namespace is not None  # noqa: S101 - the table's own condition
    return Subject(notification.namespace)


def spread(session: Session, settings: Settings, attempt: Attempt) -> bool:
    """Make the deliveries for an event, and end its row; false if another worker holds that by now."""
    message = deliveries.message_of(session, attempt)
    if not deliveries.succeed(session, attempt):  # first: who ends the row spreads it
        return False
    subject = _find_subject(session, message)
    if subject is not None:
        happening = Happening(message["event"], message["data"], message["subpage"], message["performer"])
        told = told_of(settings, subject, happening)
        for notification in _listeners(session, subject, message):
            _deliver(session, subject, notification, told, happening, test=message["test"])
    return True


def told_of(settings: Settings, subject: Subject, happening: Happening) -> dict[str, Any]:
    """What is told, with Quay's keys: where it happened, then what is the event's own."""
    name, repository = subject.namespace.name, subject.repository
    if repository is None or EVENTS[happening.event].of_namespace:
        pages = "organization" if subject.namespace.kind == "organization" else "user"
        return {"namespace": name, "homepage": f"{settings.url}/{pages}/{name}", **happening.data}
    return {
        "repository": repository.path,
        "namespace": name,
        "name": repository.name,
        "docker_url": f"{settings.SERVER_HOSTNAME}/{repository.path}",
        "homepage": f"{settings.url}/repository/{repository.path}{happening.subpage}",
        **happening.data,
    }


def _write(
    session: Session,
    subject: Subject,
    happening: Happening,
    *,
    notification_id: int | None = None,
    test: bool = False,
) -> None:
    message = {
        "event": happening.event,
        "repository_id": subject.repository.id if subject.repository else None,
        "namespace_id": subject.namespace.id,
        "data": happening.data,
        "subpage": happening.subpage,
        "performer": happening.performer,
        "notification_id": notification_id,
        "test": test,
    }
    deliveries.send(session, KIND, message)


def _find_subject(session: Session, message: dict[str, Any]) -> Subject | None:
    """What it happened to; None if that is gone."""
    if message["repository_id"] is not None:
        repository = session.get(Repository, message["repository_id"])
        there = repository is not None and repository.state != "MARKED_FOR_DELETION"
        return Subject(repository.namespace, repository) if repository and there else None
    namespace = session.get(Account, message["namespace_id"])
    return Subject(namespace) if namespace else None


def _listeners(session: Session, subject: Subject, message: dict[str, Any]) -> Sequence[Notification]:
    query = select(Notification).where(_of(subject), Notification.event == message["event"])
    if message["notification_id"] is not None:
        query = query.where(Notification.id == message["notification_id"])
    if message["test"]:
        return session.scalars(query).all()
    enabled = session.scalars(query.where(_is_enabled()).order_by(Notification.id))
    wanted = EVENTS[message["event"]].wanted
    return [notification for notification in enabled if wanted(notification.event_config, message["data"])]


def _deliver(
    session: Session,
    subject: Subject,
    notification: Notification,
    told: dict[str, Any],
    happening: Happening,
    *,
    test: bool,
) -> None:
    row = deliveries.new_for(notification, told, performer=happening.performer, once=test)
    session.add(row)
    if notification.method != IN_PRODUCT:
        session.flush()
        session.wake(deliveries.QUEUE, row.uuid)
        return
    try:
        targets = find_targets(session, subject.namespace, config_of(session, notification))
    except Invalid as exc:  # whoever it was for is gone
        deliveries.end_at_once(row, error=exc.detail)
        return
    for target in targets:
        user_notifications.notify(session, target, happening.event, told)
    deliveries.end_at_once(row)


def _of(subject: Subject) -> ColumnElement[bool]:
    """The notifications that hear of what happens there. What concerns a namespace, its repositories' hear as well."""
    if subject.repository is not None:
        return Notification.repository_id == subject.repository.id
    inside = select(Repository.id).where(Repository.namespace_id == subject.namespace.id)
    return or_(Notification.namespace_id == subject.namespace.id, Notification.repository_id.in_(inside))


def _is_enabled() -> ColumnElement[bool]:
    return Notification.number_of_failures < MOST_FAILURES
