"""What is to be sent to the outside once the change that it tells of has been committed, and how that went."""

from datetime import datetime
from typing import Any, Literal
from uuid import uuid4

from sqlalchemy import ForeignKey, Index, String, false, text
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base, BigId, now

DeliveryState = Literal["waiting", "delivered", "failed"]


class Delivery(Base):
    """A row of the outbox, written in the transaction of what it tells of and sent afterwards, at least once.

    While it waits it is due at `due_at`. Whoever takes it moves that into the future, so that it is due again if
    nobody tells how it ended. `encrypted_message` is what the kind needs to send it; it goes when the row has ended.
    A row of a notification has what happened as its `payload` instead, which stays for the log. What is `urgent` waits
    for none of those.
    """

    __tablename__ = "delivery"
    __table_args__ = (
        Index(
            "ix_delivery_due",
            "urgent",
            "due_at",
            sqlite_where=text("state = 'waiting'"),
            postgresql_where=text("state = 'waiting'"),
        ),
        Index(
            "ix_delivery_taken",
            "notification_id",
            sqlite_where=text("owner IS NOT NULL"),
            postgresql_where=text("owner IS NOT NULL"),
        ),
        Index("ix_delivery_finished_at", "finished_at"),
        Index("ix_delivery_notification_id_id", "notification_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True, default=lambda: str(uuid4()))
    kind: Mapped[str] = mapped_column(String(20))
    state: Mapped[DeliveryState] = mapped_column(String(10), default="waiting")
    urgent: Mapped[bool] = mapped_column(default=False, server_default=false())
    encrypted_message: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(default=0)
    max_attempts: Mapped[int] = mapped_column(default=8, server_default=text("8"))
    owner: Mapped[str | None] = mapped_column(String(255))
    error: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    due_at: Mapped[datetime] = mapped_column(default=now)
    finished_at: Mapped[datetime | None]
    # Of a notification
    notification_id: Mapped[int | None] = mapped_column(ForeignKey("notification.id", ondelete="CASCADE"))
    event: Mapped[str | None] = mapped_column(String(40))
    payload: Mapped[dict[str, Any] | None]
    message_id: Mapped[str | None] = mapped_column(String(40))  # the receiver's: the same however often it is sent
    forced: Mapped[bool | None]  # sent although the notification failed too often


class DeliveryAttempt(Base):
    """One attempt at a notification's row: what was sent and what came back, or why nothing did."""

    __tablename__ = "delivery_attempt"

    delivery_id: Mapped[int] = mapped_column(ForeignKey("delivery.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime]
    duration_ms: Mapped[int]
    request: Mapped[dict[str, Any] | None]
    status: Mapped[int | None]
    answer: Mapped[str | None]
    error: Mapped[str | None]
