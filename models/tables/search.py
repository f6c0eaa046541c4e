"""By what repositories are found."""

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base

LONGEST_TERM = 24
# In byte order, so that what begins alike lies together, whatever the database's locale.
_Term = String(LONGEST_TERM).with_variant(String(LONGEST_TERM, collation="C"), "postgresql")


class RepositoryTerm(Base):
    """A search that begins with this term's first letters may mean the repository (`models.terms`)."""

    __tablename__ = "repository_term"
    __table_args__ = ({"sqlite_with_rowid": False},)

    term: Mapped[str] = mapped_column(_Term, primary_key=True)
    repository_id: Mapped[int] = mapped_column(
        ForeignKey("repository.id", ondelete="CASCADE"), primary_key=True, index=True
    )
