"""What is to be sent to the outside once the change that it tells of has been committed."""

from datetime import datetime
from typing import Literal
from uuid import uuid4

from sqlalchemy import Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base, BigId, now

DeliveryState = Literal["waiting", "delivered", "failed"]


class Delivery(Base):
    """A row of the outbox, written in the transaction of what it tells of and sent afterwards, at least once.

    While it waits it is due at `due_at`. Whoever takes it moves that into the future, so that it is due again if
    nobody tells how it ended. `encrypted_message` is what the kind needs to send it; it goes when the row has ended.
    """

    __tablename__ = "delivery"
    __table_args__ = (
        Index(
            "ix_delivery_waiting",
            "due_at",
            sqlite_where=text("state = 'waiting'"),
            postgresql_where=text("state = 'waiting'"),
        ),
        Index("ix_delivery_finished_at", "finished_at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True, default=lambda: str(uuid4()))
    kind: Mapped[str] = mapped_column(String(20))
    state: Mapped[DeliveryState] = mapped_column(String(10), default="waiting")
    encrypted_message: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(default=0)
    owner: Mapped[str | None] = mapped_column(String(255))
    error: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    due_at: Mapped[datetime] = mapped_column(default=now)
    finished_at: Mapped[datetime | None]
