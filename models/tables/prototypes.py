"""What is permitted in a repository from its beginning."""

from uuid import uuid4

from sqlalchemy import CheckConstraint, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from models.tables.accounts import Account, Team
from models.tables.base import Base
from models.tables.repositories import RepositoryRole


class Prototype(Base):
    """A user, robot or team gets this role in every new repository of the organization.

    Only in those that `activating_account` creates, if it is not None.
    """

    __tablename__ = "prototype"
    __table_args__ = (
        CheckConstraint("(delegate_account_id IS NULL) <> (delegate_team_id IS NULL)", name="one_delegate"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True, default=lambda: str(uuid4()))
    organization_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    activating_account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    delegate_account_id: Mapped[int | None] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    delegate_team_id: Mapped[int | None] = mapped_column(ForeignKey("team.id", ondelete="CASCADE"), index=True)
    role: Mapped[RepositoryRole] = mapped_column(String(8))

    activating_account: Mapped[Account | None] = relationship(foreign_keys=activating_account_id)
    delegate_account: Mapped[Account | None] = relationship(foreign_keys=delegate_account_id)
    delegate_team: Mapped[Team | None] = relationship()
