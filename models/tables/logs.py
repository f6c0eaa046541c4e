"""The action log, and how much of what happened on each day."""

from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import BigInteger, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base, BigId, now

LogSubject = Literal["all", "namespace", "repository"]
_RARE = text("kind <> 'pull_repo'")


class LogEntry(Base):
    """Who did what to which namespace and repository, and when.

    The ids are no foreign keys and the performer's name is kept: the log outlives what it tells about. Nearly all
    entries are pulls, so the indexes by kind leave these out.
    """

    __tablename__ = "log_entry"
    __table_args__ = (
        Index("ix_log_entry_namespace_id_at", "namespace_id", "at"),
        Index("ix_log_entry_repository_id_at", "repository_id", "at"),
        Index("ix_log_entry_performer_at", "performer", "at"),
        Index("ix_log_entry_at", "at"),
        # Of people, whom log_count leaves out.
        Index(
            "ix_log_entry_namespace_id_person_at",
            *("namespace_id", "performer", "at", "kind"),
            sqlite_where=text("instr(performer, '+') = 0"),
            postgresql_where=text("strpos(performer, '+') = 0"),
        ),
        Index("ix_log_entry_kind_at", "kind", "at", sqlite_where=_RARE, postgresql_where=_RARE),
        Index(
            "ix_log_entry_namespace_id_kind_at",
            *("namespace_id", "kind", "at"),
            sqlite_where=_RARE,
            postgresql_where=_RARE,
        ),
        Index(
            "ix_log_entry_repository_id_kind_at",
            *("repository_id", "kind", "at"),
            sqlite_where=_RARE,
            postgresql_where=_RARE,
        ),
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


class LogCount(Base):
    """How many entries of a kind there were on a day (UTC): in all, in a namespace, in a repository.

    Of a namespace also for each robot; the empty name stands for everybody. What is too young to be counted here,
    models.log_counts counts from the log.
    """

    __tablename__ = "log_count"

    subject: Mapped[LogSubject] = mapped_column(String(10), primary_key=True)
    subject_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    performer: Mapped[str] = mapped_column(String(511), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(64), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)


class LogExport(Base):
    """A file of log entries that somebody asked for: `uuid` is that of its job, and of the file while it is there.

    Whom to tell of the end is forgotten when that is done. Nothing is referred to, since the log outlives it.
    """

    __tablename__ = "log_export"

    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    namespace: Mapped[str] = mapped_column(String(511))
    namespace_id: Mapped[int] = mapped_column(index=True)
    repository: Mapped[str | None] = mapped_column(String(255))
    repository_id: Mapped[int | None]
    start: Mapped[datetime]
    end: Mapped[datetime]
    encrypted_callback: Mapped[str | None]
    performer_id: Mapped[int | None]
    performer: Mapped[str | None] = mapped_column(String(511))
    status: Mapped[str | None] = mapped_column(String(12))
    error: Mapped[str | None]
    size: Mapped[int] = mapped_column(BigInteger, default=0)
    expires_at: Mapped[datetime | None] = mapped_column(index=True)
