"""What opens something for builds and is shown to nobody: secrets of triggers, and logins at other registries."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base, now


class TriggerSecret(Base):
    """A secret that the builds of a trigger get."""

    __tablename__ = "trigger_secret"
    __table_args__ = (UniqueConstraint("trigger_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    trigger_id: Mapped[int] = mapped_column(ForeignKey("build_trigger.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(128))
    encrypted_value: Mapped[str]
    changed_at: Mapped[datetime] = mapped_column(default=now)


class RegistryCredential(Base):
    """What pulls base images from another registry, in builds of a repository or of all in a namespace."""

    __tablename__ = "registry_credential"
    __table_args__ = (
        Index(
            "uq_registry_credential_namespace",
            "namespace_id",
            "host",
            unique=True,
            sqlite_where=text("repository_id IS NULL"),
            postgresql_where=text("repository_id IS NULL"),
        ),
        Index(
            "uq_registry_credential_repository",
            "repository_id",
            "host",
            unique=True,
            sqlite_where=text("repository_id IS NOT NULL"),
            postgresql_where=text("repository_id IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    namespace_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    repository_id: Mapped[int | None] = mapped_column(ForeignKey("repository.id", ondelete="CASCADE"))
    host: Mapped[str] = mapped_column(String(255))  # as in an image's name: quay.io, docker.io, host:5000
    username: Mapped[str] = mapped_column(String(255))
    encrypted_password: Mapped[str]
    changed_by: Mapped[str | None] = mapped_column(String(511))
    changed_at: Mapped[datetime] = mapped_column(default=now)
