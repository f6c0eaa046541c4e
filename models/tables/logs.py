"""The action log."""

from datetime import datetime
from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base, BigId, now


class LogEntry(Base):
    """Who did what to which namespace and repository, and when.

    The ids are no foreign keys and the performer's name is kept: the log outlives what it tells about.
    """

    __tablename__ = "log_entry"
    __table_args__ = (
        Index("ix_log_entry_namespace_id_at", "namespace_id", "at"),
        Index("ix_log_entry_repository_id_at", "repository_id", "at"),
        Index("ix_log_entry_performer_id_at", "performer_id", "at"),
        Index("ix_log_entry_at", "at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    kind: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime] = mapped_column(default=now)
    namespace_id: Mapped[int | None]
    repository_id: Mapped[int | None]
    performer_id: Mapped[int | None]
    performer: Mapped[str | None] = mapped_column(String(511))
    ip: Mapped[str | None] = mapped_column(String(45))
    detail: Mapped[dict[str, Any]]
