"""What a repository holds: blobs, manifests and the references between them, tags with lifetimes, uploads under way.

Every reference is a row, so that access, garbage collection, quota and referrers are look-ups and never a walk
over storage or a parse of stored manifests.

Collection finds its candidates by three marks, each with a partial index. A manifest or a link of a blob is `settled`
once collection has seen what keeps it; whoever takes that away clears the mark. A blob is `loose` from the moment a
link to it goes until collection has looked at it. `registry.collection` tells the rest.
"""

from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    String,
    UniqueConstraint,
    false,
    func,
    text,
    true,
)
from sqlalchemy.orm import Mapped, deferred, mapped_column, relationship

from models.tables.base import Base, BigId, now
from models.tables.repositories import Repository

# Listed in byte order, as the distribution specification pages them, whatever the database's locale.
TagName = String(128).with_variant(String(128, collation="C"), "postgresql")


class Blob(Base):
    """Bytes with a verified digest. The row maps the digest to a storage path chosen when the upload began."""

    __tablename__ = "blob"
    __table_args__ = (Index("ix_blob_loose", "id", sqlite_where=text("loose = 1"), postgresql_where=text("loose")),)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    digest: Mapped[str] = mapped_column(String(140), unique=True)
    size: Mapped[int] = mapped_column(BigInteger)
    path: Mapped[str] = mapped_column(String(255), unique=True)
    created_at: Mapped[datetime] = mapped_column(default=now)
    loose: Mapped[bool] = mapped_column(default=False, server_default=true())


class RepositoryBlob(Base):
    """A blob that may be read through a repository: pushed or mounted there, perhaps not in a manifest yet."""

    __tablename__ = "repository_blob"
    __table_args__ = (
        Index(
            "ix_repository_blob_unsettled",
            "linked_at",
            sqlite_where=text("settled = 0"),
            postgresql_where=text("NOT settled"),
        ),
    )

    repository_id: Mapped[int] = mapped_column(ForeignKey("repository.id", ondelete="CASCADE"), primary_key=True)
    blob_id: Mapped[int] = mapped_column(ForeignKey("blob.id"), primary_key=True, index=True)
    linked_at: Mapped[datetime] = mapped_column(default=now)  # or told to a client that pushes: protected from then on
    settled: Mapped[bool] = mapped_column(default=False, server_default=false())
    # Deleted, but needed by manifests that were deleted before it: for nobody to see until one of them is restored.
    hidden: Mapped[bool] = mapped_column(default=False, server_default=false())


class Upload(Base):
    """A blob being received. `size` bytes are safe; the driver's `state` continues after them."""

    __tablename__ = "upload"

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True, default=lambda: str(uuid4()))
    repository_id: Mapped[int] = mapped_column(ForeignKey("repository.id", ondelete="CASCADE"), index=True)
    path: Mapped[str] = mapped_column(String(255))
    size: Mapped[int] = mapped_column(BigInteger, default=0)
    digest: Mapped[str | None] = mapped_column(String(140))  # of everything so far, where one request brought it all
    state: Mapped[dict[str, Any]]
    revision: Mapped[int] = mapped_column(
        default=0
    )  # grows with each append: two requests cannot both continue from one
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now, index=True)


class Manifest(Base):
    """A manifest or index exactly as pushed."""

    __tablename__ = "manifest"
    __table_args__ = (
        UniqueConstraint("repository_id", "digest"),
        Index(
            "ix_manifest_referrers",
            "repository_id",
            "subject",
            "id",
            sqlite_where=text("subject IS NOT NULL"),
            postgresql_where=text("subject IS NOT NULL"),
        ),
        Index(
            "ix_manifest_unsettled",
            "touched_at",
            "id",
            sqlite_where=text("settled = 0"),
            postgresql_where=text("NOT settled"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    repository_id: Mapped[int] = mapped_column(ForeignKey("repository.id", ondelete="CASCADE"))
    digest: Mapped[str] = mapped_column(String(140))
    media_type: Mapped[str] = mapped_column(String(255))
    artifact_type: Mapped[str | None] = mapped_column(String(255))
    config_media_type: Mapped[str | None] = mapped_column(String(255))
    subject: Mapped[str | None] = mapped_column(String(140))
    annotations: Mapped[dict[str, Any] | None]
    content: Mapped[bytes] = deferred(mapped_column(LargeBinary, nullable=False))
    size: Mapped[int] = mapped_column(BigInteger)  # of `content`
    image_size: Mapped[int] = mapped_column(BigInteger)  # of its layers, compressed; of an index, 0
    is_index: Mapped[bool]
    lifetime_s: Mapped[int | None] = mapped_column(BigInteger)  # of its tags, by label; of an index, its images'
    created_at: Mapped[datetime] = mapped_column(default=now)
    deleted_at: Mapped[datetime | None]  # no longer served, but kept for a tag's history until collected
    # When it was last pushed, or told to a client that pushes: protected from then on.
    touched_at: Mapped[datetime] = mapped_column(default=now, server_default=func.current_timestamp())
    settled: Mapped[bool] = mapped_column(default=False, server_default=false())

    repository: Mapped[Repository] = relationship()


class ManifestBlob(Base):
    """A manifest needs this blob (a layer or its config).

    The keys see to it that nothing goes which a manifest needs: neither the repository's link to the blob, nor the
    blob's entry in what the namespace uses. A database without them would need locks.
    """

    __tablename__ = "manifest_blob"
    __table_args__ = (
        ForeignKeyConstraint(
            ["repository_id", "blob_id"], ["repository_blob.repository_id", "repository_blob.blob_id"]
        ),
        ForeignKeyConstraint(["namespace_id", "blob_id"], ["namespace_blob.namespace_id", "namespace_blob.blob_id"]),
        Index("ix_manifest_blob_repository_id_blob_id", "repository_id", "blob_id"),
        Index("ix_manifest_blob_blob_id_namespace_id", "blob_id", "namespace_id"),
    )

    manifest_id: Mapped[int] = mapped_column(ForeignKey("manifest.id", ondelete="CASCADE"), primary_key=True)
    blob_id: Mapped[int] = mapped_column(BigId, primary_key=True)
    repository_id: Mapped[int]
    # The repository's. None in rows that a process of the version before wrote, until `quota audit --repair`.
    namespace_id: Mapped[int | None]


class ManifestChild(Base):
    """An index names this manifest."""

    __tablename__ = "manifest_child"

    parent_id: Mapped[int] = mapped_column(ForeignKey("manifest.id", ondelete="CASCADE"), primary_key=True)
    child_id: Mapped[int] = mapped_column(ForeignKey("manifest.id", ondelete="CASCADE"), primary_key=True, index=True)


class Tag(Base):
    """One stretch of a tag's life: it named `manifest` from `start_ms` until `end_ms` (Unix time in milliseconds).

    A row without `end_ms` is the tag's present; the partial unique index allows one for each name. It may be due to
    end: at `expires_ms` it is no longer alive, whether or not anything has written `end_ms` yet.
    """

    __tablename__ = "tag"
    __table_args__ = (
        Index(
            "uq_tag_present",
            "repository_id",
            "name",
            unique=True,
            sqlite_where=text("end_ms IS NULL"),
            postgresql_where=text("end_ms IS NULL"),
        ),
        Index("ix_tag_repository_id_start_ms", "repository_id", "start_ms"),
        Index("ix_tag_repository_id_name_start_ms", "repository_id", "name", "start_ms"),
        Index(
            "ix_tag_expires_ms",
            "expires_ms",
            sqlite_where=text("end_ms IS NULL AND expires_ms IS NOT NULL"),
            postgresql_where=text("end_ms IS NULL AND expires_ms IS NOT NULL"),
        ),
        Index(
            "ix_tag_ended",
            "repository_id",
            "end_ms",
            sqlite_where=text("end_ms IS NOT NULL"),
            postgresql_where=text("end_ms IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    repository_id: Mapped[int] = mapped_column(ForeignKey("repository.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(TagName)
    manifest_id: Mapped[int] = mapped_column(ForeignKey("manifest.id", ondelete="CASCADE"), index=True)
    start_ms: Mapped[int] = mapped_column(BigInteger)
    end_ms: Mapped[int | None] = mapped_column(BigInteger)
    expires_ms: Mapped[int | None] = mapped_column(BigInteger)
    reversion: Mapped[bool] = mapped_column(default=False)
    immutable: Mapped[bool] = mapped_column(default=False)

    manifest: Mapped[Manifest] = relationship()
