"""What namespaces use, and how much they may."""

from datetime import datetime
from typing import Literal

from sqlalchemy import BigInteger, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base

LimitKind = Literal["Warning", "Reject"]


class NamespaceBlob(Base):
    """A manifest of the namespace needs this blob. One row however many do, so `size` counts once."""

    __tablename__ = "namespace_blob"

    namespace_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), primary_key=True)
    blob_id: Mapped[int] = mapped_column(ForeignKey("blob.id"), primary_key=True, index=True)
    size: Mapped[int] = mapped_column(BigInteger)


class NamespaceUsage(Base):
    """The sum of the namespace's `namespace_blob` rows, changed in the transactions that change those."""

    __tablename__ = "namespace_usage"

    namespace_id: Mapped[int] = mapped_column(
        ForeignKey("account.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    size: Mapped[int] = mapped_column(BigInteger)


class RepositoryUsage(Base):
    """The bytes of the distinct blobs that the repository's manifests need, changed with those.

    A repository into which nothing was pushed has no row.
    """

    __tablename__ = "repository_usage"

    repository_id: Mapped[int] = mapped_column(
        ForeignKey("repository.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    size: Mapped[int] = mapped_column(BigInteger)


class Quota(Base):
    """How many bytes a namespace may use; what happens near it, its limits say."""

    __tablename__ = "quota"

    id: Mapped[int] = mapped_column(primary_key=True)
    namespace_id: Mapped[int] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), unique=True)
    limit_bytes: Mapped[int] = mapped_column(BigInteger)


class QuotaLimit(Base):
    """Warn, or reject pushes, above `threshold_percent` of the quota."""

    __tablename__ = "quota_limit"
    __table_args__ = (UniqueConstraint("quota_id", "kind", "threshold_percent"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    quota_id: Mapped[int] = mapped_column(ForeignKey("quota.id", ondelete="CASCADE"))
    kind: Mapped[LimitKind] = mapped_column(String(8))
    threshold_percent: Mapped[int]


class RegistrySize(Base):
    """What all blobs of the installation took when they were last counted: one row."""

    __tablename__ = "registry_size"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    size: Mapped[int] = mapped_column(BigInteger)
    counted_at: Mapped[datetime]
