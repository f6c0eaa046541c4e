"""Who wants to be told of what happens to a repository or namespace, and what users have been told."""

from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.tables.accounts import Account
from models.tables.base import Base, BigId, now
from models.tables.repositories import Repository


class Notification(Base):
    """A wish to be told of one kind of event, by one method: of a repository, or of a namespace and all of its.

    The method's configuration is encrypted, since the address of a webhook may be all that guards it, and so is the
    secret that signs what is sent there.
    """

    __tablename__ = "notification"
    __table_args__ = (
        Index("ix_notification_repository_id_event", "repository_id", "event"),
        Index("ix_notification_namespace_id_event", "namespace_id", "event"),
        Index("ix_notification_event", "event"),
        CheckConstraint("(repository_id IS NULL) <> (namespace_id IS NULL)", name="one_subject"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True, default=lambda: str(uuid4()))
    repository_id: Mapped[int | None] = mapped_column(ForeignKey("repository.id", ondelete="CASCADE"))
    namespace_id: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    event: Mapped[str] = mapped_column(String(40))
    method: Mapped[str] = mapped_column(String(40))
    title: Mapped[str | None] = mapped_column(String(255))
    encrypted_config: Mapped[str]
    event_config: Mapped[dict[str, Any]]
    days_ahead: Mapped[int | None]  # of an expiry, as in the configuration, so that the database can compare
    number_of_failures: Mapped[int] = mapped_column(default=0)  # deliveries given up since the last that arrived
    encrypted_secret: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=now)

    repository: Mapped[Repository | None] = relationship()
    namespace: Mapped[Account | None] = relationship()


class ToldExpiry(Base):
    """A notification has told that the tag ends at this moment (Unix time in milliseconds)."""

    __tablename__ = "told_expiry"

    notification_id: Mapped[int] = mapped_column(ForeignKey("notification.id", ondelete="CASCADE"), primary_key=True)
    tag_id: Mapped[int] = mapped_column(ForeignKey("tag.id", ondelete="CASCADE"), primary_key=True, index=True)
    expires_ms: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)


class RepositoryEmail(Base):
    """An address that may, once its owner has said so, be told of what happens to a repository."""

    __tablename__ = "repository_email"
    __table_args__ = (UniqueConstraint("repository_id", "email"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    repository_id: Mapped[int] = mapped_column(ForeignKey("repository.id", ondelete="CASCADE"))
    email: Mapped[str] = mapped_column(String(255))
    code_hash: Mapped[str] = mapped_column(String(64), unique=True)
    confirmed: Mapped[bool] = mapped_column(default=False)
    asked_at: Mapped[datetime] = mapped_column(default=now)

    repository: Mapped[Repository] = relationship()


class UserNotification(Base):
    """What a user, or whoever administers an organization, finds when looking what is new."""

    __tablename__ = "user_notification"
    __table_args__ = (Index("ix_user_notification_account_id_id", "account_id", "id"),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True, default=lambda: str(uuid4()))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(40))
    detail: Mapped[dict[str, Any]]
    dismissed: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(default=now)

    account: Mapped[Account] = relationship()
