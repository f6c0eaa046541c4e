"""Labels of manifests that were added by REST; those of the images themselves stay in their configs."""

from uuid import uuid4

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base, BigId


class ManifestLabel(Base):
    """A key and a value that somebody attached to a manifest."""

    __tablename__ = "manifest_label"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True, default=lambda: str(uuid4()))
    manifest_id: Mapped[int] = mapped_column(ForeignKey("manifest.id", ondelete="CASCADE"), index=True)
    key: Mapped[str] = mapped_column(String(255))
    value: Mapped[str]
    media_type: Mapped[str] = mapped_column(String(32))

    @property
    def source_type(self) -> str:
        return "api"
