"""Blobs on their way in: begin, receive, finish, cancel.

Any process can take the next request of an upload. Bytes go straight to where the blob will lie; a blob is visible only
once its row is committed, after the bytes are durable and their digest is verified. Every step may be repeated after a
crash.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from sqlalchemy import bindparam, update
from sqlalchemy.exc import IntegrityError, OperationalError

from models import metrics
from models.dialect import insert_new, is_full
from models.quota import ensure_room
from models.session import Session
from models.tables import Blob
from models.tables.base import now
from registry.blobs import BLOB_BY_DIGEST, link_blob
from registry.errors import DigestInvalid, RegistryError, SizeInvalid, UploadInvalid, UploadUnknown
from registry.hashing import Hasher
from registry.names import Digest
from registry.paths import new_blob_path
from registry.services import Services
from registry.upload_rows import Upload, end, new_upload, save
from storage.driver import NotFound, StorageDriver, StorageError, UploadBusy, UploadLost

log = logging.getLogger(__name__)

READ_BACK = 1 << 20


@dataclass
class Body:
    """A request's bytes as they arrive. `broken` tells afterwards that the client went away in the middle."""

    chunks: Iterator[bytes]
    broken: bool = False


def begin_upload(services: Services, repository_id: int) -> Upload:
    """Start an upload into the repository; nothing is written before its first bytes arrive.

    QuotaExceeded if the namespace uses all it may already.
    """
    with services.database.read() as session:
        ensure_room(session, repository_id)
    return new_upload(services.database.vault, repository_id)


def receive(services: Services, upload: Upload, body: Body) -> Upload:
    """Append the request's bytes and make them safe; the upload as it is now.

    What arrived before a client went away is kept, so that it can resume; then UploadInvalid. SizeInvalid when the
    blob grows past MAXIMUM_LAYER_SIZE.
    """
    if upload.size:
        upload = _save(services, upload, upload)  # the only request that continues from here
    grown = _append(services, upload, body, "sha256")
    if grown.size > upload.size:
        grown = _save(services, upload, grown)
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
    except (RegistryError, StorageError):
        _drop(services.storage, grown)
        raise


def finish(services: Services, upload: Upload, digest: Digest) -> None:
    """Verify everything received against the digest and make it a blob of the repository. DigestInvalid."""
    if not upload.state:
        receive_and_finish(services, upload, Body(iter(())), digest)  # an empty blob
        return
    known = upload.digest if upload.digest and upload.digest.startswith(f"{digest.algorithm}:") else None
    if known is not None and known != str(digest):
        raise DigestInvalid({"digest": str(digest), "received": known})
    stored = _stored_path(services, digest) if known else None
    lost = stored is not None and not _exists(services.storage, stored)
    if stored is not None and not lost and _link_stored(services, upload, digest):
        return
    _commit(services, upload)
    if known is None and (received := _read_back(services.storage, upload.path, digest.algorithm)) != digest.hex:
        if _forget(services, upload):
            services.storage.delete([upload.path])
        raise DigestInvalid({"digest": str(digest), "received": f"{digest.algorithm}:{received}"})
    _publish(services, upload, digest, instead_of=stored if lost else None)


def cancel(services: Services, upload: Upload) -> None:
    """Forget the upload and its bytes."""
    if _forget(services, upload) and upload.state:
        services.storage.abort(upload.state)


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
    except (RegistryError, StorageError):
        if not upload.size:
            _drop(services.storage, replace(upload, state=state))
        raise
    metrics.blob_bytes("in", meter.received)
    return replace(upload, path=path, state=state, size=meter.size, digest=meter.digest)


def _save(services: Services, upload: Upload, grown: Upload) -> Upload:
    """Write down what was received, unless another request changed the upload in the meantime (UploadInvalid)."""
    try:
        with services.database.write() as session:
            saved = save(session, upload, grown)
    except IntegrityError as exc:
        if not upload.size:
            _drop(services.storage, grown)
        raise UploadUnknown("the repository was deleted") from exc
    except OperationalError as exc:
        if is_full(exc) and not upload.size:  # nothing was written, so these bytes would be in the way for a day
            _drop(services.storage, grown)
        raise
    if saved is None:
        if not upload.size:
            services.storage.abort(grown.state)
        raise UploadInvalid("another request is continuing this upload")
    return saved


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

    def link(session: Session) -> bool | None:
        if link_blob(session, upload.repository_id, str(digest)) is None:
            return None
        return _end(session, upload)

    ours = services.database.apply(link)
    if ours:
        services.storage.abort(upload.state)
    return ours is not None


_REPLACE_LOST = (
    update(Blob)
    .where(Blob.digest == bindparam("wanted"), Blob.path == bindparam("lost"))
    .values(path=bindparam("found"))
)


def _publish(services: Services, upload: Upload, digest: Digest, *, instead_of: str | None) -> None:
    """Make the committed bytes visible, or drop them if somebody else's push of the same digest was first.

    `instead_of`: the path of a blob whose bytes storage has lost; these take its place.
    """
    row = {"digest": str(digest), "size": upload.size, "path": upload.path, "created_at": now()}

    def publish(session: Session) -> str | None:
        if not end(session, upload):
            found = session.run(BLOB_BY_DIGEST, {"digest": str(digest)}).first()
            return upload.path if found and found.path == upload.path else None  # the same was asked for twice
        insert_new(session, Blob, [row])
        if instead_of is not None:
            session.run(_REPLACE_LOST, {"wanted": str(digest), "lost": instead_of, "found": upload.path})
        return link_blob(session, upload.repository_id, str(digest))

    published_at = _carried_out(services, upload, publish)
    if published_at is None:
        if upload.id is None:  # else the bytes belong to the request that ended the upload, and may be a blob by now
            services.storage.delete([upload.path])
        raise UploadUnknown("another request has finished or cancelled this upload")
    if published_at != upload.path:
        services.storage.delete([upload.path])


def _carried_out(services: Services, upload: Upload, publish: Callable[[Session], str | None]) -> str | None:
    """What `publish` says, once it is committed. UploadUnknown if there is nothing to publish into."""
    try:
        return services.database.apply(publish)
    except IntegrityError as exc:
        raise UploadUnknown("the repository was deleted") from exc
    except OperationalError as exc:
        if is_full(exc) and upload.id is None:  # as in _save; with a row the client may try again
            services.storage.delete([upload.path])
        raise


def _stored_path(services: Services, digest: Digest) -> str | None:
    with services.database.read() as session:
        blob = session.run(BLOB_BY_DIGEST, {"digest": str(digest)}).first()
    return None if blob is None else str(blob.path)


def _exists(storage: StorageDriver, path: str) -> bool:
    try:
        storage.stat(path)
    except NotFound:
        log.exception("a blob's bytes are missing in storage: %s", path)
        return False
    return True


def _forget(services: Services, upload: Upload) -> bool:
    """End the upload; whether its bytes are this request's to remove."""
    with services.database.write() as session:
        return _end(session, upload)


def _end(session: Session, upload: Upload) -> bool:
    """End the upload; whether its bytes are this request's to remove.

    Those of an upload with a row belong to the request that ends it: the blob of another one may lie there. Before
    there is a row, each request has a place of its own.
    """
    return end(session, upload) or upload.id is None


def _drop(storage: StorageDriver, upload: Upload) -> None:
    """Remove what a request has written that failed. What storage does not remove now, collection sweeps."""
    try:
        storage.abort(upload.state)
    except StorageError as exc:
        log.warning("the bytes of upload %s stay for a day: %s", upload.uuid, exc)


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
        # A digest of a later part alone is worth nothing.
        self._hasher = Hasher(algorithm) if upload.size == 0 else None
        self.received = 0

    def watch(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        try:
            for chunk in chunks:
                self.received += len(chunk)
                if self.size > self._limit:
                    raise SizeInvalid(f"a blob may have at most {self._limit} bytes (MAXIMUM_LAYER_SIZE)")
                if self._hasher:
                    self._hasher.update(chunk)
                yield chunk
        finally:
            if self._hasher:
                self._hasher.close()

    @property
    def size(self) -> int:
        return self._offset + self.received

    @property
    def digest(self) -> str | None:
        """Of everything so far, if this request brought all of it."""
        return f"{self._algorithm}:{self._hasher.hexdigest()}" if self._hasher else None
