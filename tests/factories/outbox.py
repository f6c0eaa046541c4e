"""What is in the outbox, for tests that take the worker's place."""

from typing import Any

from sqlalchemy import select

from models import deliveries
from models.deliveries import Attempt
from models.session import Database, Session
from models.tables import Delivery


def take(session: Session, owner: str = "a worker") -> Attempt | None:
    """Take whatever is due, what is urgent first."""
    return deliveries.take(session, owner, urgent=True) or deliveries.take(session, owner, urgent=False)


def new_messages(database: Database) -> list[dict[str, Any]]:
    """What mail and events say that nobody has taken before, in the order in which they were written."""
    with database.write() as session:
        waiting = session.scalars(select(Delivery.id).where(Delivery.attempts == 0, Delivery.urgent)).all()
        taken = [take(session) for _ in waiting]
        return [deliveries.message_of(session, attempt) for attempt in taken if attempt]
