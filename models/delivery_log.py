"""What was sent for a notification and what came back, and sending it again."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import and_, func, select
from sqlalchemy.orm import aliased

from models import deliveries
from models.announcements import IN_PRODUCT
from models.errors import Conflict, Invalid, NotFound
from models.session import Session
from models.tables import Delivery, DeliveryAttempt, Notification


@dataclass(frozen=True)
class Entry:
    """A delivery, and its last attempt if there was one."""

    delivery: Delivery
    last: DeliveryAttempt | None


def list_deliveries(session: Session, notification: Notification, *, after: int, limit: int) -> list[Entry]:
    """The notification's deliveries, newest first, from the one behind row `after` (0: the newest)."""
    every = aliased(DeliveryAttempt)
    latest = select(func.max(every.number)).where(every.delivery_id == Delivery.id)
    same = and_(DeliveryAttempt.delivery_id == Delivery.id, DeliveryAttempt.number == latest.scalar_subquery())
    query = select(Delivery, DeliveryAttempt).outerjoin(DeliveryAttempt, same)
    query = query.where(Delivery.notification_id == notification.id).order_by(Delivery.id.desc()).limit(limit)
    if after:
        query = query.where(Delivery.id < after)
    return [Entry(delivery, last) for delivery, last in session.execute(query)]


def get_delivery(session: Session, notification: Notification, uuid: str) -> Delivery:
    """One of them; NotFound."""
    mine = select(Delivery).where(Delivery.notification_id == notification.id, Delivery.uuid == uuid)
    delivery = session.scalar(mine)
    if delivery is None:
        raise NotFound("Not Found")
    return delivery


def list_attempts(session: Session, delivery: Delivery) -> Sequence[DeliveryAttempt]:
    """What was sent for it and what came back, in order."""
    query = select(DeliveryAttempt).where(DeliveryAttempt.delivery_id == delivery.id)
    return session.scalars(query.order_by(DeliveryAttempt.number)).all()


def replay(session: Session, notification: Notification, delivery: Delivery) -> Delivery:
    """Send the same once more, under the id that the receiver knows it by; Conflict while it is still being sent."""
    if notification.method == IN_PRODUCT:
        raise Invalid("what is told inside of the product is not sent anywhere")
    if delivery.state == "waiting":
        raise Conflict("this delivery is still being sent")
    payload = delivery.payload or {}
    again = deliveries.new_for(notification, payload["data"], performer=payload["performer"], once=True)
    again.message_id = delivery.message_id
    session.add(again)
    session.flush()
    session.wake(deliveries.QUEUE, again.uuid)
    return again
