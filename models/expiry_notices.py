"""Telling that tags are about to end, as many days before as each notification asks for, once for each tag and end."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from sqlalchemy import BigInteger, cast, exists, select

from models.announcements import Happening, announce_to
from models.dialect import insert_new
from models.notifications import MOST_FAILURES
from models.session import Database, Session
from models.tables import Notification, Tag, ToldExpiry
from models.tags import now_ms

EVENT = "repo_image_expiry"
BATCH = 1000
_DAY_MS = 24 * 3600 * 1000


@dataclass(frozen=True)
class _Expiring:
    notification_id: int
    tag_id: int
    name: str
    expires_ms: int


def tell_expiring(database: Database, *, stop: Callable[[], bool] = lambda: False) -> int:
    """Announce every tag that will end soon and was not announced yet; of how many tags."""
    number = 0
    while not stop():
        with database.read() as session:
            found = _find(session)
        by_notification: dict[int, list[_Expiring]] = defaultdict(list)
        for each in found:
            by_notification[each.notification_id].append(each)
        for notification_id, expiring in by_notification.items():
            database.apply(partial(_tell, notification_id=notification_id, expiring=expiring))
        number += len(found)
        if len(found) < BATCH:
            break
    return number


def _find(session: Session) -> list[_Expiring]:
    """Tags to be announced, each with the notification that asks for it; a batch of them."""
    present = now_ms()
    told = exists().where(
        ToldExpiry.notification_id == Notification.id,
        ToldExpiry.tag_id == Tag.id,
        ToldExpiry.expires_ms == Tag.expires_ms,
    )
    query = (
        select(Notification.id, Tag.id, Tag.name, Tag.expires_ms)
        .join(Tag, Tag.repository_id == Notification.repository_id)
        .where(Notification.event == EVENT, Notification.number_of_failures < MOST_FAILURES)
        .where(Tag.end_ms.is_(None), Tag.expires_ms > present)
        .where(Tag.expires_ms <= present + cast(Notification.days_ahead, BigInteger) * _DAY_MS, ~told)
        .order_by(Notification.id, Tag.name)
        .limit(BATCH)
    )
    rows = session.execute(query)
    return [_Expiring(mine, tag, name, expires_ms or 0) for mine, tag, name, expires_ms in rows]


def _tell(session: Session, *, notification_id: int, expiring: list[_Expiring]) -> None:
    notification = session.get(Notification, notification_id)
    if notification is None:
        return
    rows = [
        {"notification_id": notification_id, "tag_id": each.tag_id, "expires_ms": each.expires_ms} for each in expiring
    ]
    insert_new(session, ToldExpiry, rows)
    data = {"tags": [each.name for each in expiring], "expiring_in": f"{notification.days_ahead} days"}
    announce_to(session, notification, Happening(EVENT, data))
