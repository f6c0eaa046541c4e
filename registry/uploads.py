"""Blobs on their way in: begin, receive, finish, cancel.

An upload's row holds how many bytes are safe and what the driver needs to go on, so any process can take the next
request. Bytes go straight to where the blob will lie; a blob is visible only once its row is committed, after the
bytes are durable and their digest is verified. Every step may be repeated after a crash.
"""

import hashlib
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from sqlalchemy import delete, select, update

from models import metrics
from models.dialect import insert_new
from models.quota import ensure_room
from models.session import Session
from models.tables import Account, Blob, Repository, Upload
from models.tables.base import now
from registry.blobs import link_blob
from registry.errors import DigestInvalid, RegistryError, SizeInvalid, UploadInvalid, UploadUnknown
from registry.names import Digest, RepositoryName
from registry.paths import new_blob_path
from registry.services import Services
from storage.driver import NotFound, StorageDriver, UploadBusy, UploadLost

log = logging.getLogger(__name__)

READ_BACK = 1 << 20


@dataclass
class Body:
    """A request's bytes as they arrive. `broken` tells afterwards that the client went away in the middle."""

    chunks: Iterator[bytes]
    broken: bool = False


def begin_upload(services: Services, repository_id: int) -> Upload:
    """Start an upload into the repository. Where its bytes go is decided when the first of them arrive.

    QuotaExceeded if the namespace uses all it may already.
    """
    upload = Upload(uuid=str(uuid4()), repository_id=repository_id, path="", state={}, size=0, revision=0)
    with services.database.write() as session:
        ensure_room(session, repository_id)
        session.add(upload)
    return upload


def find_upload(session: Session, name: RepositoryName, uuid: str) -> Upload:
    """The upload under way in the repository; UploadUnknown."""
    upload = session.scalar(
        select(Upload)
        .join(Repository, Repository.id == Upload.repository_id)
        .join(Account, Account.id == Repository.namespace_id)
        .where(Upload.uuid == uuid, Account.name == name.namespace, Repository.name == name.name)
    )
    if upload is None:
        raise UploadUnknown({"uuid": uuid})
    return upload


def receive(services: Services, upload: Upload, body: Body) -> Upload:
    """Append the request's bytes and make them safe; the upload as it is now.

    What arrived before a client went away is kept, so that it can resume; then UploadInvalid. SizeInvalid when the
    blob grows past MAXIMUM_LAYER_SIZE.
    """
    if upload.size:
        upload = _claim(services, upload)
    grown = _append(services, upload, body, "sha256")
    if grown.size > upload.size:
        _save(services, upload, grown)
    elif not upload.size:
        services.storage.abort(grown.state)
        grown = upload
    if body.broken:
        raise UploadInvalid(f"the connection broke after {grown.size} bytes")
    return grown


def receive_and_finish(services: Services, upload: Upload, body: Body, digest: Digest) -> None:
    """Append the request's bytes, which are the last, and finish. A first request that brings all saves a step."""
    if upload.size:
        finish(services, receive(services, upload, body), digest)
        return
    grown = _append(services, upload, body, digest.algorithm)
    if body.broken:
        if grown.size:
            _save(services, upload, grown)
        raise UploadInvalid(f"the connection broke after {grown.size} bytes")
    try:
        finish(services, grown, digest)
    except DigestInvalid:
        services.storage.abort(grown.state)
        raise


def finish(services: Services, upload: Upload, digest: Digest) -> None:
    """Verify everything received against the digest and make it a blob of the repository. DigestInvalid."""
    if not upload.state:
        upload = _append(services, upload, Body(iter(())), digest.algorithm)  # an empty blob
    known = upload.digest if upload.digest and upload.digest.startswith(f"{digest.algorithm}:") else None
    if known is not None and known != str(digest):
        raise DigestInvalid({"digest": str(digest), "received": known})
    with services.database.read() as session:
        stored = session.scalar(select(Blob.path).where(Blob.digest == str(digest))) if known else None
    lost = stored is not None and not _exists(services.storage, stored)
    if stored is not None and not lost and _link_stored(services, upload, digest):
        services.storage.abort(upload.state)
        return
    _commit(services, upload)
    if known is None and (received := _read_back(services.storage, upload.path, digest.algorithm)) != digest.hex:
        _forget(services, upload)
        services.storage.delete([upload.path])
        raise DigestInvalid({"digest": str(digest), "received": f"{digest.algorithm}:{received}"})
    _publish(services, upload, digest, instead_of=stored if lost else None)


def cancel(services: Services, upload: Upload) -> None:
    """Forget the upload and its bytes."""
    _forget(services, upload)
    services.storage.abort(upload.state)


def _claim(services: Services, upload: Upload) -> Upload:
    """Make this request the only one that continues the upload from here; UploadInvalid if another was first.

    Requests that bring the first bytes need no claim: each begins at a path of its own.
    """
    with services.database.write() as session:
        claimed = _at_revision(session, upload, revision=Upload.revision + 1)
    if claimed is None:
        raise UploadInvalid("another request is continuing this upload")
    return claimed


def _append(services: Services, upload: Upload, body: Body, algorithm: str) -> Upload:
    """The upload with the request's bytes, in storage but not yet in the database. UploadInvalid, UploadUnknown."""
    path = upload.path if upload.size else new_blob_path()
    state = upload.state if upload.size else services.storage.begin(path)
    meter = _Meter(upload, services.settings.MAXIMUM_LAYER_SIZE, algorithm)
    try:
        state = services.storage.append(state, meter.watch(body.chunks))
    except UploadBusy as exc:
        raise UploadInvalid("another request is sending data to this upload") from exc
    except UploadLost as exc:
        _forget(services, upload)
        raise UploadUnknown("the upload's data is gone; start again") from exc
    except RegistryError:
        if not upload.size:
            services.storage.abort(state)
        raise
    metrics.blob_bytes("in", meter.received)
    return Upload(
        id=upload.id,
        uuid=upload.uuid,
        repository_id=upload.repository_id,
        revision=upload.revision,
        path=path,
        state=state,
        size=meter.size,
        digest=meter.digest,
    )


def _save(services: Services, upload: Upload, grown: Upload) -> None:
    """Write down what was received, unless another request changed the upload in the meantime (UploadInvalid)."""
    with services.database.write() as session:
        saved = _at_revision(
            session,
            upload,
            revision=Upload.revision + 1,
            path=grown.path,
            state=grown.state,
            size=grown.size,
            digest=grown.digest,
            updated_at=now(),
        )
    if saved is None:
        if not upload.size:
            services.storage.abort(grown.state)
        raise UploadInvalid("another request has changed this upload")
    grown.revision = saved.revision


def _at_revision(session: Session, upload: Upload, **values: Any) -> Upload | None:
    """Change the row if it is as this request knows it."""
    known = (Upload.id == upload.id, Upload.revision == upload.revision)
    return session.scalar(update(Upload).where(*known).values(**values).returning(Upload))


def _commit(services: Services, upload: Upload) -> None:
    try:
        services.storage.commit(upload.state)
    except UploadBusy as exc:
        raise UploadInvalid("another request is sending data to this upload") from exc
    except UploadLost as exc:
        _forget(services, upload)
        raise UploadUnknown("the upload's data is gone; start again") from exc


def _link_stored(services: Services, upload: Upload, digest: Digest) -> bool:
    """Finish with the blob that is there already; False if it was collected in the meantime."""

    def link(session: Session) -> bool:
        if not link_blob(session, upload.repository_id, str(digest)):
            return False
        session.execute(delete(Upload).where(Upload.id == upload.id))
        return True

    return services.database.apply(link)


def _publish(services: Services, upload: Upload, digest: Digest, *, instead_of: str | None) -> None:
    """Make the committed bytes visible, or drop them if somebody else's push of the same digest was first.

    `instead_of`: the path of a blob whose bytes storage has lost; these take its place.
    """
    row = {"digest": str(digest), "size": upload.size, "path": upload.path, "created_at": now()}
    same = (Upload.id == upload.id, Upload.revision == upload.revision)

    def publish(session: Session) -> str | None:
        if session.scalar(delete(Upload).where(*same).returning(Upload.id)) is None:
            return None
        insert_new(session, Blob, [row])
        lost = (Blob.digest == str(digest), Blob.path == instead_of)
        session.execute(update(Blob).where(*lost).values(path=upload.path))
        link_blob(session, upload.repository_id, str(digest))
        return session.scalar(select(Blob.path).where(Blob.digest == str(digest)))

    published_at = services.database.apply(publish)
    if published_at != upload.path:
        services.storage.delete([upload.path])
    if published_at is None:
        raise UploadUnknown("another request has finished or cancelled this upload")


def _exists(storage: StorageDriver, path: str) -> bool:
    try:
        storage.stat(path)
    except NotFound:
        log.exception("a blob's bytes are missing in storage: %s", path)
        return False
    return True


def _forget(services: Services, upload: Upload) -> None:
    with services.database.write() as session:
        session.execute(delete(Upload).where(Upload.id == upload.id))


def _read_back(storage: StorageDriver, path: str, algorithm: str) -> str:
    """The digest of a blob that came in several requests, of which none saw all."""
    hasher = hashlib.new(algorithm)
    with storage.open(path) as stream:
        while piece := stream.read(READ_BACK):
            hasher.update(piece)
    return hasher.hexdigest()


class _Meter:
    """Counts and hashes bytes as they pass, and stops them at the size limit."""

    def __init__(self, upload: Upload, limit: int, algorithm: str) -> None:
        self._offset = upload.size
        self._limit = limit
        self._algorithm = algorithm
        self._hasher = hashlib.new(algorithm)
        self.received = 0

    def watch(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.received += len(chunk)
            if self.size > self._limit:
                raise SizeInvalid(f"a blob may have at most {self._limit} bytes (MAXIMUM_LAYER_SIZE)")
            self._hasher.update(chunk)
            yield chunk

    @property
    def size(self) -> int:
        return self._offset + self.received

    @property
    def digest(self) -> str | None:
        """Of everything so far, if this request brought all of it."""
        return f"{self._algorithm}:{self._hasher.hexdigest()}" if self._offset == 0 else None
