"""Sparing what a push is about to refer to: for a while after it came, and after a client was told that it is there.

A client that hears that a blob or a child manifest exists does not send it. So the answer renews the protection, once
half of it is over; collection may then take its time with everything else.
"""

from datetime import datetime, timedelta

from sqlalchemy import select, update

from models.session import Database, Session
from models.tables import Account, Blob, Manifest, Repository, RepositoryBlob
from models.tables.base import now
from registry.names import Digest, RepositoryName


def still_protected(session: Session, manifest_id: int, touched_at: datetime, *, protection_s: int) -> bool:
    """Protect a manifest that is pushed again; False if it was collected in the meantime."""
    if touched_at > now() - timedelta(seconds=protection_s / 2):
        return True
    touched = update(Manifest).where(Manifest.id == manifest_id).values(touched_at=now()).returning(Manifest.id)
    return session.scalar(touched) is not None


def renew_blob(database: Database, name: RepositoryName, digest: Digest, protection_s: int) -> None:
    """Before a client that may push is told that the repository has the blob."""
    stale = now() - timedelta(seconds=protection_s / 2)
    query = (
        select(RepositoryBlob.repository_id, RepositoryBlob.blob_id)
        .join(Blob, Blob.id == RepositoryBlob.blob_id)
        .join(Repository, Repository.id == RepositoryBlob.repository_id)
        .join(Account, Account.id == Repository.namespace_id)
        .where(Blob.digest == str(digest), Account.name == name.namespace, Repository.name == name.name)
    )
    with database.read() as session:
        row = session.execute(query.where(RepositoryBlob.linked_at <= stale, ~RepositoryBlob.hidden)).first()
    if row is not None:
        with database.write() as session:
            link = (RepositoryBlob.repository_id == row.repository_id, RepositoryBlob.blob_id == row.blob_id)
            session.execute(update(RepositoryBlob).where(*link).values(linked_at=now()))


def renew_manifest(database: Database, name: RepositoryName, digest: Digest, protection_s: int) -> None:
    """The same for a manifest, which may become part of an index."""
    stale = now() - timedelta(seconds=protection_s / 2)
    query = (
        select(Manifest.id)
        .join(Repository, Repository.id == Manifest.repository_id)
        .join(Account, Account.id == Repository.namespace_id)
        .where(Manifest.digest == str(digest), Account.name == name.namespace, Repository.name == name.name)
    )
    with database.read() as session:
        id_ = session.scalar(query.where(Manifest.touched_at <= stale))
    if id_ is not None:
        with database.write() as session:
            session.execute(update(Manifest).where(Manifest.id == id_).values(touched_at=now()))
