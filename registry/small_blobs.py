"""Blobs that come whole in one small request: no state between requests, and many in one transaction.

Only the plain case. What is here already, or not as expected, is left untouched, and to `registry.uploads`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from models.dialect import insert_new
from models.prepared import among
from models.session import Session
from models.tables import Blob
from models.tables.base import now
from registry.blobs import link_blobs
from registry.errors import UploadUnknown
from registry.names import RepositoryName
from registry.repositories import repository_id
from registry.upload_rows import Upload, begun_upload, end_new


@dataclass(frozen=True)
class SmallBlob:
    """A blob that lies at `path` in storage, durably, and the id of the upload that brought it."""

    repository: RepositoryName
    upload: str
    digest: str
    size: int
    path: str


def publish_small(session: Session, blobs: list[SmallBlob]) -> dict[SmallBlob, str]:
    """Make the blobs visible in their repositories; where the bytes of each are that was not left untouched.

    Another push of the same blob may have been first.
    """
    uploads = _plain(session, blobs)
    ended = end_new(session, list(uploads.values()))
    new = [blob for blob, upload in uploads.items() if upload.uuid in ended]
    rows = [{"digest": blob.digest, "size": blob.size, "path": blob.path, "created_at": now()} for blob in new]
    insert_new(session, Blob, sorted(rows, key=lambda row: str(row["digest"])))
    stored = _stored(session, new)
    if any(blob.digest not in stored for blob in new):
        raise UploadUnknown("the blob is being collected")
    link_blobs(session, {(uploads[blob].repository_id, stored[blob.digest].id) for blob in new})
    return {blob: str(stored[blob.digest].path) for blob in new}


def _plain(session: Session, blobs: list[SmallBlob]) -> dict[SmallBlob, Upload]:
    """The uploads of those blobs that are nowhere yet; each was begun here, and no two are the same."""
    stored = _stored(session, blobs)
    ids = {name: repository_id(session, name) for name in {blob.repository for blob in blobs}}
    found: dict[str, tuple[SmallBlob, Upload]] = {}
    for blob in blobs:
        id_ = ids[blob.repository]
        upload = None if id_ is None else begun_upload(session.vault, id_, blob.upload)
        if upload is not None and blob.digest not in stored:
            found.setdefault(upload.uuid, (blob, upload))
    return dict(found.values())


_STORED = select(Blob.digest, Blob.id, Blob.path).where(among(Blob.digest, "digests"))


def _stored(session: Session, blobs: Iterable[SmallBlob]) -> dict[str, Any]:
    """The rows of those blobs that have one, by digest."""
    digests = sorted({blob.digest for blob in blobs})
    return {row.digest: row for row in session.run(_STORED, {"digests": digests})} if digests else {}
