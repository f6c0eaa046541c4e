"""Rules that namespaces and repositories set for all of their tags."""

from datetime import datetime
from uuid import uuid4

from sqlalchemy import BigInteger, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base, now


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
