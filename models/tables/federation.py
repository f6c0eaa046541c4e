"""Robots without a password: whom another service has to vouch for."""

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.tables.accounts import Robot
from models.tables.base import Base


class RobotFederation(Base):
    """Who may be the robot: the subject that an OpenID issuer vouches for. `audiences`: for whom it has to do so."""

    __tablename__ = "robot_federation"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012 # tokens name rules by id after they are gone

    id: Mapped[int] = mapped_column(primary_key=True)
    robot_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    issuer: Mapped[str] = mapped_column(String(2048))
    subject: Mapped[str] = mapped_column(String(2048))
    audiences: Mapped[list[str] | None]

    robot: Mapped[Robot] = relationship()
