"""What collection has still to do: bytes to delete, and how far its slow rounds are."""

from datetime import datetime

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base, BigId, now


class Garbage(Base):
    """An object in storage that nothing needs: written when its blob is removed, gone once storage has confirmed."""

    __tablename__ = "garbage"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    path: Mapped[str] = mapped_column(String(255))
    size: Mapped[int] = mapped_column(BigInteger)
    since: Mapped[datetime] = mapped_column(default=now)
    due_at: Mapped[datetime] = mapped_column(default=now, index=True)  # later after a failure


class Round(Base):
    """A slow walk over everything, a stretch at a time: the next one begins at `position`, not before `due_at`."""

    __tablename__ = "round"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger)
    due_at: Mapped[datetime]
