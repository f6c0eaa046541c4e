"""Rules that namespaces and repositories set for all of their tags."""

from datetime import datetime
from typing import Literal
from uuid import uuid4

from sqlalchemy import BigInteger, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.tables.accounts import Account
from models.tables.base import Base, now
from models.tables.repositories import Repository

PruneMethod = Literal["number_of_tags", "creation_date"]


class ImmutabilityPolicy(Base):
    """Tags whose names match the pattern (or all others) are immutable, in a repository or in a whole namespace.

    `position`: the repository up to which tags from before the policy were looked at, None if that is done; further
    ones are due at `due_at`.
    """

    __tablename__ = "immutability_policy"
    __table_args__ = (
        Index(
            "uq_immutability_policy_namespace",
            "namespace_id",
            "tag_pattern",
            unique=True,
            sqlite_where=text("repository_id IS NULL"),
            postgresql_where=text("repository_id IS NULL"),
        ),
        Index(
            "uq_immutability_policy_repository",
            "repository_id",
            "tag_pattern",
            unique=True,
            sqlite_where=text("repository_id IS NOT NULL"),
            postgresql_where=text("repository_id IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True, default=lambda: str(uuid4()))
    namespace_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    repository_id: Mapped[int | None] = mapped_column(ForeignKey("repository.id", ondelete="CASCADE"))
    tag_pattern: Mapped[str] = mapped_column(String(256))
    tag_pattern_matches: Mapped[bool] = mapped_column(default=True)
    changed_at: Mapped[datetime] = mapped_column(default=now)
    position: Mapped[int | None] = mapped_column(BigInteger, default=0)
    due_at: Mapped[datetime] = mapped_column(default=now)


class PrunePolicy(Base):
    """Tags end by themselves, in a repository or in all of a namespace: all but the newest, or those of some age.

    `value` belongs to the `method`: a number of tags, or a duration such as `7d`. `position`: the repository up to
    which this round has come; the next one begins at `due_at`.
    """

    __tablename__ = "prune_policy"
    __table_args__ = (
        Index("ix_prune_policy_repository_id", "repository_id"),
        Index("ix_prune_policy_due_at", "due_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True, default=lambda: str(uuid4()))
    namespace_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    repository_id: Mapped[int | None] = mapped_column(ForeignKey("repository.id", ondelete="CASCADE"))
    method: Mapped[PruneMethod] = mapped_column(String(20))
    value: Mapped[str] = mapped_column(String(16))
    tag_pattern: Mapped[str | None] = mapped_column(String(256))
    tag_pattern_matches: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    position: Mapped[int] = mapped_column(BigInteger, default=0)
    due_at: Mapped[datetime] = mapped_column(default=now)

    namespace: Mapped[Account] = relationship()
    repository: Mapped[Repository | None] = relationship()
