"""Work that outlives a request: one table of jobs for every kind, and what each kind adds."""

from datetime import datetime
from typing import Any, Literal
from uuid import uuid4

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.tables.accounts import Account
from models.tables.base import Base, now
from models.tables.repositories import Repository
from models.tables.triggers import Trigger

JobState = Literal["queued", "running", "finished"]
JobResult = Literal["success", "error", "internalerror", "cancelled"]
Failure = Literal["user", "infrastructure", "limit"]


class Job(Base):
    """The truth about a piece of work; the RQ job of the same uuid is only a wake-up.

    `phase` is the kind's own word for how far it is. A running job whose heartbeat stops goes back to the queue
    until `attempts` reaches `max_attempts`.
    """

    __tablename__ = "job"
    __table_args__ = (
        Index("ix_job_state_heartbeat_at", "state", "heartbeat_at"),
        Index("ix_job_queue_state_created_at", "queue", "state", "created_at"),
        Index("ix_job_namespace_id_state", "namespace_id", "state"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True, default=lambda: str(uuid4()))
    kind: Mapped[str] = mapped_column(String(40))
    queue: Mapped[str] = mapped_column(String(40))
    namespace_id: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    state: Mapped[JobState] = mapped_column(String(10), default="queued")
    result: Mapped[JobResult | None] = mapped_column(String(14))
    phase: Mapped[str] = mapped_column(String(40))
    error: Mapped[str | None]
    failure: Mapped[Failure | None] = mapped_column(String(14))  # whose fault the error is
    priority: Mapped[int] = mapped_column(default=0)
    attempts: Mapped[int] = mapped_column(default=0)
    max_attempts: Mapped[int] = mapped_column(default=3)
    owner: Mapped[str | None] = mapped_column(String(255))
    container_id: Mapped[str | None] = mapped_column(String(64))
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    log_lines: Mapped[int] = mapped_column(default=0)
    logs_path: Mapped[str | None] = mapped_column(String(255))  # in storage, once archived
    created_at: Mapped[datetime] = mapped_column(default=now)
    queued_at: Mapped[datetime] = mapped_column(default=now)
    started_at: Mapped[datetime | None]
    heartbeat_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    deadline_at: Mapped[datetime | None]


class BuildShare(Base):
    """A namespace's part in the queue of builds: what it may have, where somebody has set that, and its last turn."""

    __tablename__ = "build_share"

    namespace_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), primary_key=True)
    max_running: Mapped[int | None]
    priority: Mapped[int] = mapped_column(default=0)
    served_at: Mapped[datetime | None]


class Build(Base):
    """An image to be made: what was asked for, and how it went."""

    __tablename__ = "build"
    __table_args__ = (Index("ix_build_repository_id_id", "repository_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True, default=lambda: str(uuid4()))
    job_id: Mapped[int] = mapped_column(ForeignKey("job.id", ondelete="CASCADE"), unique=True)
    repository_id: Mapped[int] = mapped_column(ForeignKey("repository.id", ondelete="CASCADE"))
    display_name: Mapped[str] = mapped_column(String(255))
    archive_url: Mapped[str | None]
    resource_key: Mapped[str | None] = mapped_column(String(255))
    dockerfile_path: Mapped[str]
    context: Mapped[str]
    tags: Mapped[list[str]]
    build_args: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    options: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    # The request's, by name as JSON; gone when the build has ended.
    encrypted_secrets: Mapped[str | None]
    pull_robot_id: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"), index=True)
    manual_user: Mapped[str | None] = mapped_column(String(511))
    trigger_id: Mapped[int | None] = mapped_column(ForeignKey("build_trigger.id", ondelete="SET NULL"), index=True)
    trigger_metadata: Mapped[dict[str, Any]] = mapped_column(default=dict)
    status: Mapped[dict[str, Any]] = mapped_column(default=dict)
    image_digest: Mapped[str | None] = mapped_column(String(140))
    inputs: Mapped[dict[str, Any] | None]

    job: Mapped[Job] = relationship()
    repository: Mapped[Repository] = relationship()
    pull_robot: Mapped[Account | None] = relationship()
    trigger: Mapped[Trigger | None] = relationship()
