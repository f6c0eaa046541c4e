"""Codes that mail carries."""

from datetime import datetime
from typing import Literal

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.tables.accounts import User
from models.tables.base import Base, BigId, now

Purpose = Literal["confirm", "change", "recover"]


class OneTimeCode(Base):
    """Leave for who reads mail at `email`: to confirm the address, to make it the account's, or to set a password.

    Only a keyed hash of the code is kept; the row goes when it is used.
    """

    __tablename__ = "one_time_code"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    purpose: Mapped[Purpose] = mapped_column(String(8))
    code_hash: Mapped[str] = mapped_column(String(64), unique=True)
    email: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(default=now)
    expires_at: Mapped[datetime] = mapped_column(index=True)

    user: Mapped[User] = relationship()
