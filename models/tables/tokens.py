"""Credentials that are not passwords: OAuth, application-specific and repository tokens, and the token signing keys."""

from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.tables.accounts import Account, Organization
from models.tables.base import Base, now
from models.tables.repositories import Repository, RepositoryRole


class OAuthApplication(Base):
    """A client that acts for users with their consent, owned by an organization (or by the instance itself)."""

    __tablename__ = "oauth_application"

    id: Mapped[int] = mapped_column(primary_key=True)
    client_id: Mapped[str] = mapped_column(String(64), unique=True)
    encrypted_secret: Mapped[str | None]
    organization_id: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(255))
    description: Mapped[str] = mapped_column(default="")
    application_uri: Mapped[str] = mapped_column(default="")
    redirect_uri: Mapped[str] = mapped_column(default="")
    avatar_email: Mapped[str | None] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(default=now)

    organization: Mapped[Organization | None] = relationship()


class OAuthToken(Base):
    """Leave to act for a user within scopes. Only a keyed hash of the token is kept.

    `name`: what whoever made it by hand calls it; None for one that an application was given.
    """

    __tablename__ = "oauth_token"

    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True, default=lambda: str(uuid4()))
    application_id: Mapped[int] = mapped_column(ForeignKey("oauth_application.id", ondelete="CASCADE"), index=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[str]
    name: Mapped[str | None] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(default=now)
    last_accessed_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]

    application: Mapped[OAuthApplication] = relationship()
    account: Mapped[Account] = relationship()


class AppToken(Base):
    """A password for one program (`$app`), with all the rights of its user, who is shown it again."""

    __tablename__ = "app_token"

    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True, default=lambda: str(uuid4()))
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    title: Mapped[str] = mapped_column(String(255))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    encrypted_token: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    last_accessed_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]

    account: Mapped[Account] = relationship()


class RepositoryToken(Base):
    """A credential for one repository (`$token`): builds push with it, webhooks start with it, scripts sign in with it.

    `encrypted_token` only where Quay shows the token again.
    """

    __tablename__ = "repository_token"

    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True, default=lambda: str(uuid4()))
    repository_id: Mapped[int] = mapped_column(ForeignKey("repository.id", ondelete="CASCADE"), index=True)
    friendly_name: Mapped[str] = mapped_column(String(255))
    role: Mapped[RepositoryRole] = mapped_column(String(8))
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    encrypted_token: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime | None]

    repository: Mapped[Repository] = relationship()


class ServiceKey(Base):
    """A key that signs registry tokens. The newest unexpired one signs; all unexpired ones verify."""

    __tablename__ = "service_key"

    id: Mapped[int] = mapped_column(primary_key=True)
    kid: Mapped[str] = mapped_column(String(64), unique=True)
    encrypted_private_key: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime | None]


class PublishedKey(Base):
    """A service's public key; trusted once it is approved, and until it expires."""

    __tablename__ = "published_key"

    id: Mapped[int] = mapped_column(primary_key=True)
    kid: Mapped[str] = mapped_column(String(255), unique=True)
    service: Mapped[str] = mapped_column(String(255), index=True)
    name: Mapped[str] = mapped_column(String(255))
    jwk: Mapped[dict[str, Any]]
    details: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime | None]
    approver_id: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"), index=True)
    approval_type: Mapped[str | None] = mapped_column(String(40))
    approved_at: Mapped[datetime | None]
    notes: Mapped[str] = mapped_column(default="")

    approver: Mapped[Account | None] = relationship()
