"""On the way to a token: codes that applications exchange for one, and tokens that somebody else has prepared."""

from datetime import datetime
from uuid import uuid4

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.tables.accounts import Account
from models.tables.base import Base, BigId, now
from models.tables.tokens import OAuthApplication


class AuthorizationCode(Base):
    """What an application gets when a user consents, and exchanges once for a token. Only a keyed hash is kept.

    `redirect_uri` and `code_challenge` are None where the request had none. A used code stays for a while with the
    token it became, so that a second use, which is a thief's or its victim's, ends that token.
    """

    __tablename__ = "authorization_code"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    application_id: Mapped[int] = mapped_column(ForeignKey("oauth_application.id", ondelete="CASCADE"), index=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    code_hash: Mapped[str] = mapped_column(String(64), unique=True)
    redirect_uri: Mapped[str | None]
    scopes: Mapped[str]
    code_challenge: Mapped[str | None] = mapped_column(String(128))
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]
    token_id: Mapped[int | None] = mapped_column(ForeignKey("oauth_token.id", ondelete="SET NULL"), index=True)

    account: Mapped[Account] = relationship()


class TokenAssignment(Base):
    """A token that an administrator of the application's organization wants a user to have, once the user consents."""

    __tablename__ = "token_assignment"

    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True, default=lambda: str(uuid4()))
    application_id: Mapped[int] = mapped_column(ForeignKey("oauth_application.id", ondelete="CASCADE"), index=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    redirect_uri: Mapped[str]
    scopes: Mapped[str]
    response_type: Mapped[str] = mapped_column(String(8))
    created_at: Mapped[datetime] = mapped_column(default=now)

    application: Mapped[OAuthApplication] = relationship()
