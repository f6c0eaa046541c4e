"""Who there is: users, organizations and robots share one space of names; teams group users and robots."""

from datetime import datetime
from typing import Any, Literal
from uuid import uuid4

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.tables.base import Base, now

TeamRole = Literal["member", "creator", "admin"]
TWO_WEEKS_S = 14 * 24 * 3600


class Account(Base):
    """A name that can own or do something. `kind` tells which subclass a row is."""

    __tablename__ = "account"
    __table_args__ = (
        # Quay lets organizations share an e-mail address, users not.
        Index(
            "uq_account_user_email",
            "email",
            unique=True,
            sqlite_where=text("kind = 'user'"),
            postgresql_where=text("kind = 'user'"),
        ),
        Index(
            "ix_account_deleted",
            "id",
            sqlite_where=text("kind = 'deleted'"),
            postgresql_where=text("kind = 'deleted'"),
        ),
        # For look-ups by prefix (models.dialect.begins_with), whatever the database's locale.
        Index(
            "ix_account_name_prefix",
            "name",
            postgresql_ops={"name": "text_pattern_ops"},
            sqlite_where=text("kind <> 'robot'"),
            postgresql_where=text("kind <> 'robot'"),
        ),
        {"sqlite_autoincrement": True},  # the log names accounts by id after they are gone
    )
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_abstract": True}  # noqa: RUF012

    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True, default=lambda: str(uuid4()))
    kind: Mapped[str] = mapped_column(String(12))
    name: Mapped[str] = mapped_column(String(511), unique=True)
    email: Mapped[str | None] = mapped_column(String(255))
    enabled: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    tag_expiration_s: Mapped[int] = mapped_column(default=TWO_WEEKS_S)
    invoice_email: Mapped[bool] = mapped_column(default=False)
    invoice_email_address: Mapped[str | None] = mapped_column(String(255))
    # Whether the namespace has immutability policies for all of its repositories, so that a push need not ask.
    fixes_tags: Mapped[bool] = mapped_column(default=False, server_default=false())
    # Users
    password_hash: Mapped[str | None] = mapped_column(String(255))
    verified: Mapped[bool] = mapped_column(default=False)
    superuser: Mapped[bool] = mapped_column(default=False)
    # Nothing counts in the next two. They stay: the version before this one still writes them with each new account and
    # reads them with every one, and SQLite gives a column no default afterwards without building the table anew.
    failed_logins: Mapped[int] = mapped_column(default=0)
    last_failed_login_at: Mapped[datetime | None]
    last_accessed_at: Mapped[datetime | None]
    given_name: Mapped[str | None] = mapped_column(String(255))
    family_name: Mapped[str | None] = mapped_column(String(255))
    company: Mapped[str | None] = mapped_column(String(255))
    location: Mapped[str | None] = mapped_column(String(255))
    prompts: Mapped[list[str] | None]
    """What the person is asked for when they see the web interface next, in Quay's words."""
    # Robots
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    encrypted_token: Mapped[str | None]
    description: Mapped[str | None] = mapped_column(String(255))
    unstructured_metadata: Mapped[dict[str, Any] | None]


class User(Account):
    """A person."""

    __mapper_args__ = {"polymorphic_identity": "user"}  # noqa: RUF012


class Organization(Account):
    """A namespace that people share."""

    __mapper_args__ = {"polymorphic_identity": "organization"}  # noqa: RUF012


class Deleted(Account):
    """A namespace that is no more, kept without its name until what it held has been collected."""

    __mapper_args__ = {"polymorphic_identity": "deleted"}  # noqa: RUF012


class Robot(Account):
    """Credentials for a machine; named `owner+shortname`, its token kept encrypted because Quay shows it again."""

    __mapper_args__ = {"polymorphic_identity": "robot"}  # noqa: RUF012

    owner: Mapped[Account] = relationship(remote_side=Account.id)

    @property
    def shortname(self) -> str:
        return self.name.partition("+")[2]


class Team(Base):
    """Members of an organization with a role over all of it, and permissions on repositories."""

    __tablename__ = "team"
    __table_args__ = (UniqueConstraint("organization_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    organization_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(255))
    role: Mapped[TeamRole] = mapped_column(String(12))
    description: Mapped[str] = mapped_column(default="")

    organization: Mapped[Account] = relationship()


class TeamMember(Base):
    """One user or robot in one team."""

    __tablename__ = "team_member"

    team_id: Mapped[int] = mapped_column(ForeignKey("team.id", ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, index=True)
