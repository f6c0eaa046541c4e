"""Who has to wait before trying again."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base


class Brake(Base):
    """Failures in a row of one kind, by a keyed hash of whose they are: a name's, if anybody has it or not."""

    __tablename__ = "brake"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    failures: Mapped[int]
    last_at: Mapped[datetime] = mapped_column(index=True)
