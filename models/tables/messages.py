"""What superusers tell everybody."""

from datetime import datetime
from typing import Literal
from uuid import uuid4

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base, now

Severity = Literal["info", "warning", "error"]
MediaType = Literal["text/plain", "text/markdown"]


class Message(Base):
    """Text that is shown to whoever comes, until it is deleted."""

    __tablename__ = "message"

    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True, default=lambda: str(uuid4()))
    content: Mapped[str]
    severity: Mapped[Severity] = mapped_column(String(8))
    media_type: Mapped[MediaType] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(default=now)
