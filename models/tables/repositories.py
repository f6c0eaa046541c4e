"""Repositories, who may do what in them, and who starred them."""

from datetime import datetime
from typing import Literal
from uuid import uuid4

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.tables.accounts import Account, Team
from models.tables.base import Base, now

RepositoryRole = Literal["read", "write", "admin"]
RepositoryState = Literal["NORMAL", "READ_ONLY", "MIRROR", "MARKED_FOR_DELETION"]


class Repository(Base):
    """A named set of manifests and tags in a namespace."""

    __tablename__ = "repository"
    __table_args__ = (
        UniqueConstraint("namespace_id", "name"),
        Index("ix_repository_namespace_id", "namespace_id", "id"),
        Index("ix_repository_search_rank", "search_rank", "id"),
        Index("ix_repository_name_search_rank", "name", "search_rank"),
        Index(
            "ix_repository_public_search_rank",
            "search_rank",
            "id",
            sqlite_where=text("is_public"),
            postgresql_where=text("is_public"),
        ),
        Index("ix_repository_public", "id", sqlite_where=text("is_public"), postgresql_where=text("is_public")),
        Index(
            "ix_repository_marked",
            "id",
            sqlite_where=text("state = 'MARKED_FOR_DELETION'"),
            postgresql_where=text("state = 'MARKED_FOR_DELETION'"),
        ),
        {"sqlite_autoincrement": True},  # the log names repositories by id after they are gone
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    namespace_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(255))
    is_public: Mapped[bool]
    description: Mapped[str] = mapped_column(default="")
    state: Mapped[RepositoryState] = mapped_column(String(20), default="NORMAL")
    trust_enabled: Mapped[bool] = mapped_column(default=False)
    status_token: Mapped[str] = mapped_column(String(36), default=lambda: str(uuid4()))
    created_at: Mapped[datetime] = mapped_column(default=now)
    # Whether anybody wants to be told of pushes, so that a push need not ask.
    tells_pushes: Mapped[bool] = mapped_column(default=False, server_default=false())
    # Whether the repository has immutability policies of its own, in the same way.
    fixes_tags: Mapped[bool] = mapped_column(default=False, server_default=false())
    # Below zero by what happened in a month, roughly (models.activity): searches begin with the least.
    search_rank: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")

    namespace: Mapped[Account] = relationship()

    @property
    def path(self) -> str:
        return f"{self.namespace.name}/{self.name}"


class Permission(Base):
    """What one user, robot or team may do in one repository."""

    __tablename__ = "permission"
    __table_args__ = (
        UniqueConstraint("repository_id", "account_id"),
        UniqueConstraint("repository_id", "team_id"),
        CheckConstraint("(account_id IS NULL) <> (team_id IS NULL)", name="one_subject"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    repository_id: Mapped[int] = mapped_column(ForeignKey("repository.id", ondelete="CASCADE"))
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    team_id: Mapped[int | None] = mapped_column(ForeignKey("team.id", ondelete="CASCADE"), index=True)
    role: Mapped[RepositoryRole] = mapped_column(String(8))

    repository: Mapped[Repository] = relationship()
    account: Mapped[Account | None] = relationship()
    team: Mapped[Team | None] = relationship()


class Star(Base):
    """A user's bookmark of a repository."""

    __tablename__ = "star"

    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), primary_key=True)
    repository_id: Mapped[int] = mapped_column(
        ForeignKey("repository.id", ondelete="CASCADE"), primary_key=True, index=True
    )
