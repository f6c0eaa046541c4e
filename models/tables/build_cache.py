"""Images that are kept for builds to take steps from."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base, now


class BuildCache(Base):
    """The image that builds of one kind, in one repository, take over steps from. It needs no tag to stay."""

    __tablename__ = "build_cache"
    __table_args__ = (UniqueConstraint("repository_id", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    repository_id: Mapped[int] = mapped_column(ForeignKey("repository.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(64))  # models.build_cache.cache_name
    manifest_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("manifest.id", ondelete="CASCADE"), index=True)
    used_at: Mapped[datetime] = mapped_column(default=now, index=True)
