"""What starts builds when somebody pushes to a git repository, and the deliveries that told of pushes."""

from datetime import datetime
from typing import Any, Literal
from uuid import uuid4

from sqlalchemy import ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, deferred, mapped_column, relationship

from models.tables.accounts import Account
from models.tables.base import Base, BigId, now
from models.tables.repositories import Repository

Service = Literal["custom-git", "github", "gitlab", "bitbucket", "gitea"]
DisabledReason = Literal["user_toggled", "successive_build_failures", "successive_build_internal_errors"]
Verdict = Literal["fired", "ignored", "refused"]


class Trigger(Base):
    """Pushes to this git repository become builds of the image repository.

    `config` has what the caller gave (`build_source`, `dockerfile_path`…) and what activation added (`credentials`,
    ids of the forge's hook and key); no secrets, which are the encrypted columns.
    """

    __tablename__ = "build_trigger"

    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True, default=lambda: str(uuid4()))
    repository_id: Mapped[int] = mapped_column(ForeignKey("repository.id", ondelete="CASCADE"), index=True)
    service: Mapped[Service] = mapped_column(String(12))
    config: Mapped[dict[str, Any]]
    active: Mapped[bool] = mapped_column(default=False)
    enabled: Mapped[bool] = mapped_column(default=True)
    disabled_reason: Mapped[DisabledReason | None] = mapped_column(String(40))
    pull_robot_id: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"), index=True)
    created_by: Mapped[str | None] = mapped_column(String(511))
    created_at: Mapped[datetime] = mapped_column(default=now)
    # One after another that ended so, the last one included.
    failures: Mapped[int] = mapped_column(default=0)
    internal_errors: Mapped[int] = mapped_column(default=0)
    # What the hook's URL carries, shown again to administrators, and what signs its deliveries.
    encrypted_write_token: Mapped[str | None]
    encrypted_hook_secret: Mapped[str | None]
    # What opens the git repository, and the forge's REST API.
    encrypted_private_key: Mapped[str | None]
    encrypted_auth_token: Mapped[str | None]
    known_hosts: Mapped[str] = mapped_column(default="")  # pinned, or learnt at the first use

    repository: Mapped[Repository] = relationship()
    pull_robot: Mapped[Account | None] = relationship()


class InboundEvent(Base):
    """A delivery from outside, as it came, and what became of it: the log, and what a redelivery repeats."""

    __tablename__ = "inbound_event"
    __table_args__ = (
        # A delivery that comes again, by a forge's retry or by somebody who recorded it, is known.
        UniqueConstraint("trigger_id", "delivery_id"),
        Index("ix_inbound_event_trigger_id_id", "trigger_id", "id"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True, default=lambda: str(uuid4()))
    trigger_id: Mapped[int] = mapped_column(ForeignKey("build_trigger.id", ondelete="CASCADE"))
    delivery_id: Mapped[str | None] = mapped_column(String(255))  # the sender's own
    event: Mapped[str] = mapped_column(String(80))
    received_at: Mapped[datetime] = mapped_column(default=now, index=True)
    ip: Mapped[str | None] = mapped_column(String(45))
    headers: Mapped[dict[str, Any]]
    payload: Mapped[bytes] = deferred(mapped_column(LargeBinary, nullable=False))
    verified: Mapped[str | None] = mapped_column(String(20))  # by what the sender was known: token, signature
    verdict: Mapped[Verdict] = mapped_column(String(10))
    reason: Mapped[str]
    build_uuid: Mapped[str | None] = mapped_column(String(36))
    redelivery_of: Mapped[str | None] = mapped_column(String(36))
