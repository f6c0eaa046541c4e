"""Who people are at other services."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.tables.accounts import User
from models.tables.base import Base, now


class ExternalLogin(Base):
    """Whom the service calls `subject` signs in here as the user. `details` is what Quay shows as metadata."""

    __tablename__ = "external_login"
    __table_args__ = (UniqueConstraint("service", "subject"), UniqueConstraint("account_id", "service"))

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    service: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(255))
    details: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=now)

    user: Mapped[User] = relationship()
