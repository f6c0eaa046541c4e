"""Telling that a namespace comes near what it may use, or may not use more.

Who administers the namespace is told inside of the product, as in Quay; so is every notification that asks for it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import exists, select

from models.announcements import Happening, announce
from models.errors import QuotaExceeded
from models.events import quota_data
from models.notification_methods import Subject
from models.quota import Limit
from models.session import Database, Session
from models.tables import Account, UserNotification
from models.tables.base import now
from models.user_notifications import notify

WARNING = "quota_warning"
ERROR = "quota_error"
TOLD_AGAIN_AFTER = timedelta(hours=1)
"""However often pushes are refused meanwhile."""


def warn(session: Session, namespace: Account, limit: Limit) -> None:
    """Tell that the namespace has just passed a warning limit."""
    _tell(session, namespace, WARNING, limit)


@contextmanager
def refusals_told(database: Database) -> Iterator[None]:
    """Tell what the block refuses for lack of room: in a transaction of its own, since the refused one is undone."""
    try:
        yield
    except QuotaExceeded as exc:
        if isinstance(exc.limit, Limit) and exc.namespace_id is not None:
            _tell_refusal(database, exc.namespace_id, exc.limit)
        raise


def _tell_refusal(database: Database, namespace_id: int, limit: Limit) -> None:
    with database.read() as session:  # most of the time there is nothing to write
        if _was_told(session, namespace_id):
            return
    with database.write() as session:
        namespace = session.get(Account, namespace_id)
        if namespace is not None and not _was_told(session, namespace_id):
            _tell(session, namespace, ERROR, limit)


def _was_told(session: Session, namespace_id: int) -> bool:
    recent = exists().where(
        UserNotification.account_id == namespace_id,
        UserNotification.kind == ERROR,
        UserNotification.created_at > now() - TOLD_AGAIN_AFTER,
    )
    return bool(session.scalar(select(recent)))


def _tell(session: Session, namespace: Account, event: str, limit: Limit) -> None:
    told = quota_data(threshold_percent=limit.threshold_percent, usage=limit.used_bytes, limit=limit.quota_bytes)
    notify(session, namespace, event, {"namespace": namespace.name, **told})
    announce(session, Subject(namespace), Happening(event, told))
