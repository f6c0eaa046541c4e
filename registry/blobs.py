"""Blobs in repositories: find, link, mount, remove."""

from dataclasses import dataclass

from sqlalchemy import bindparam, delete, exists, select, update

from models.access import Identity, visible_repositories
from models.dialect import upsert
from models.session import Session
from models.tables import Account, Blob, Manifest, ManifestBlob, Repository, RepositoryBlob
from models.tables.base import now
from registry.errors import BlobInUse, BlobUnknown
from registry.names import Digest, RepositoryName
from registry.repositories import REPOSITORY


@dataclass(frozen=True)
class StoredBlob:
    """Where a blob's bytes are, and how many."""

    digest: str
    size: int
    path: str


BLOB_IN_REPOSITORY = (
    select(Blob.digest, Blob.size, Blob.path)
    .join(RepositoryBlob, RepositoryBlob.blob_id == Blob.id)
    .where(Blob.digest == bindparam("digest"), RepositoryBlob.repository_id == REPOSITORY, ~RepositoryBlob.hidden)
)


def find_blob(session: Session, name: RepositoryName, digest: Digest) -> StoredBlob:
    """The blob, read through the repository; BlobUnknown."""
    values = {"digest": str(digest), "namespace": name.namespace, "name": name.name}
    row = session.run(BLOB_IN_REPOSITORY, values).first()
    if row is None:
        raise BlobUnknown({"digest": str(digest)})
    return StoredBlob(row.digest, row.size, row.path)


BLOB_BY_DIGEST = select(Blob.id, Blob.path).where(Blob.digest == bindparam("digest"))
_LINK = {"key": ("repository_id", "blob_id"), "change": ("linked_at", "settled", "hidden")}


def link_blob(session: Session, repository_id: int, digest: str) -> str | None:
    """Let the repository serve the blob, protected from collection from now on; its path, None if there is none."""
    blob = session.run(BLOB_BY_DIGEST, {"digest": digest}).first()
    if blob is None:
        return None
    link_blobs(session, {(repository_id, blob.id)})
    return str(blob.path)


def link_blobs(session: Session, links: set[tuple[int, int]]) -> None:
    """The same for (repository id, blob id)."""
    # One statement: a link that collection is removing at this moment is waited for and made anew.
    link = upsert(session.get_bind().dialect.name, RepositoryBlob, **_LINK)
    unseen = {"linked_at": now(), "settled": False, "hidden": False}
    rows = [{"repository_id": repository_id, "blob_id": blob_id, **unseen} for repository_id, blob_id in sorted(links)]
    if rows:
        session.run(link, rows)


def mount_blob(
    session: Session, repository_id: int, digest: Digest, *, source: RepositoryName | None, actor: Identity
) -> bool:
    """Link a blob that the caller may already read: from `source`, or from anywhere if None. Whether it was."""
    readable = (
        select(RepositoryBlob.blob_id)
        .join(Blob, Blob.id == RepositoryBlob.blob_id)
        .join(Repository, Repository.id == RepositoryBlob.repository_id)
        .where(Blob.digest == str(digest), ~RepositoryBlob.hidden, visible_repositories(actor, among_few=True))
    )
    if source is not None:
        readable = readable.join(Account, Account.id == Repository.namespace_id).where(
            Account.name == source.namespace, Repository.name == source.name
        )
    readable_there = session.scalar(readable.limit(1)) is not None
    return readable_there and link_blob(session, repository_id, str(digest)) is not None


def unlink_blob(session: Session, repository_id: int, digest: Digest) -> None:
    """Take the blob out of the repository; BlobUnknown, BlobInUse if a manifest that is served there needs it.

    One that only deleted manifests need is there no more for anybody, but stays for as long as those can be restored.
    """
    link = RepositoryBlob.repository_id == repository_id
    query = select(RepositoryBlob.blob_id).join(Blob, Blob.id == RepositoryBlob.blob_id)
    # Locked against pushes and restored tags: they have it before, and keep it, or do not find it any more.
    query = query.where(link, Blob.digest == str(digest), ~RepositoryBlob.hidden).with_for_update(of=RepositoryBlob)
    blob_id = session.scalar(query)
    if blob_id is None:
        raise BlobUnknown({"digest": str(digest)})
    needing = (ManifestBlob.repository_id == repository_id, ManifestBlob.blob_id == blob_id)
    served = exists().where(*needing, Manifest.id == ManifestBlob.manifest_id, Manifest.deleted_at.is_(None))
    if session.scalar(select(served)):
        raise BlobInUse({"digest": str(digest)})
    that = (link, RepositoryBlob.blob_id == blob_id)
    if session.scalar(select(exists().where(*needing))):
        session.execute(update(RepositoryBlob).where(*that).values(hidden=True))
        return
    session.execute(delete(RepositoryBlob).where(*that))
    session.execute(update(Blob).where(Blob.id == blob_id).values(loose=True))
