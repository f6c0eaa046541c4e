"""Who is signed in with a browser."""

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.tables.accounts import User
from models.tables.base import Base, BigId, now


class BrowserSession(Base):
    """A person signed in with one browser. Only a keyed hash of what its cookie holds is kept."""

    __tablename__ = "browser_session"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    used_at: Mapped[datetime] = mapped_column(default=now, index=True)
    authenticated_at: Mapped[datetime] = mapped_column(default=now)
    """When the password was given, or another service vouched for the person, for the last time."""

    user: Mapped[User] = relationship()
