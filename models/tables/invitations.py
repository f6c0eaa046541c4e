"""Who was asked to join a team."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.tables.accounts import Account, Team
from models.tables.base import Base, now


class Invitation(Base):
    """A user, or whoever has an e-mail address, may join the team. Only a keyed hash of the code is kept."""

    __tablename__ = "invitation"
    __table_args__ = (
        UniqueConstraint("team_id", "account_id"),
        UniqueConstraint("team_id", "email"),
        CheckConstraint("(account_id IS NULL) <> (email IS NULL)", name="one_guest"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("team.id", ondelete="CASCADE"))
    account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    email: Mapped[str | None] = mapped_column(String(255), index=True)
    inviter_id: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="SET NULL"), index=True)
    code_hash: Mapped[str] = mapped_column(String(64), unique=True)
    sent_at: Mapped[datetime] = mapped_column(default=now)

    team: Mapped[Team] = relationship()
    account: Mapped[Account | None] = relationship(foreign_keys=account_id)
    inviter: Mapped[Account | None] = relationship(foreign_keys=inviter_id)
