"""GET, HEAD and DELETE of blobs (end-2, end-10)."""

import os
import re
from typing import BinaryIO

from flask import Blueprint, Response, request
from werkzeug.wsgi import wrap_file

from models import metrics
from registry.blobs import StoredBlob, find_blob, unlink_blob
from registry.errors import RangeUnsatisfiable
from registry.names import Digest, RepositoryName
from registry.protection import renew_blob
from registry.repositories import writable
from registry.v2.context import authorize, may_push, registry
from registry.v2.errors import API_VERSION

URL_LIFETIME_S = 20 * 60
BLOCK = 1 << 20
_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})", re.ASCII | re.IGNORECASE)

blueprint = Blueprint("blobs", __name__)


@blueprint.route("/<path:name>/blobs/<digest>", methods=["GET", "HEAD"])
def get_blob(name: str, digest: str) -> Response:
    """The blob's bytes, or where to fetch them. Honours one range."""
    repository = RepositoryName.parse(name)
    # Who looks for a blob without a token is about to push it, and some clients ask for one token only.
    authorize(repository, "pull", before_push=request.method == "HEAD")
    services, wanted = registry().services, Digest.parse(digest)
    if request.method == "HEAD" and may_push(repository):
        renew_blob(services.database, repository, wanted, services.settings.PUSH_TEMP_TAG_EXPIRATION_SEC)
    with services.database.read() as session:
        blob = find_blob(session, repository, wanted)
    headers = served_headers(blob.digest)
    if request.if_none_match.contains_weak(blob.digest):
        return Response(status=304, headers=headers)
    if request.method == "HEAD":
        return Response(headers={**headers, "Content-Length": str(blob.size)})
    part = _wanted(blob)
    if not services.settings.FEATURE_PROXY_STORAGE:
        url = services.storage.url(blob.path, expires_s=URL_LIFETIME_S)
        if url is not None:
            return Response(status=307, headers={**headers, "Location": url})
    return _stream(blob, part, headers)


@blueprint.delete("/<path:name>/blobs/<digest>")
def delete_blob(name: str, digest: str) -> Response:
    """Take the blob out of the repository, unless a manifest there needs it."""
    repository = RepositoryName.parse(name)
    authorize(repository, "push")
    wanted = Digest.parse(digest)
    # A manifest that needs the blob may come at the same moment.
    registry().services.database.apply(lambda session: unlink_blob(session, writable(session, repository).id, wanted))
    return Response(status=202, headers=API_VERSION)


def served_headers(digest: str) -> dict[str, str]:
    """What tells a client which blob it gets."""
    return {
        **API_VERSION,
        "Docker-Content-Digest": digest,
        "ETag": f'"{digest}"',
        "Accept-Ranges": "bytes",
        "Content-Type": "application/octet-stream",
        "Cache-Control": "private, max-age=31536000, immutable",
    }


def _stream(blob: StoredBlob, part: tuple[int, int] | None, headers: dict[str, str]) -> Response:
    start, stop = part or (0, blob.size)
    if part:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{blob.size}"
    headers["Content-Length"] = str(stop - start)
    stream = registry().services.storage.open(blob.path, start=start, stop=None if stop == blob.size else stop)
    metrics.blob_bytes("out", stop - start)
    response = Response(_body(stream), status=206 if part else 200, headers=headers, direct_passthrough=True)
    response.call_on_close(stream.close)
    return response


def _wanted(blob: StoredBlob) -> tuple[int, int] | None:
    """From which byte to which the client wants it; None where it wants all, or RFC 9110 lets the server choose that.

    Which is: several ranges at once, another unit, a range of another content (If-Range) or of an empty one.
    RangeUnsatisfiable, also for one that ends before it begins.
    """
    match = _RANGE.fullmatch(request.headers.get("Range", ""))
    other = "If-Range" in request.headers and request.if_range.etag != blob.digest
    if other or not match or match[0].endswith("=-") or not blob.size:
        return None
    first, last = match.groups()
    start = int(first) if first else max(blob.size - int(last), 0)
    stop = min(int(last) + 1, blob.size) if first and last else blob.size
    if start >= stop:
        raise RangeUnsatisfiable({"size": blob.size}, headers={"Content-Range": f"bytes */{blob.size}"})
    return start, stop


def _body(stream: BinaryIO):  # type: ignore[no-untyped-def]
    """The stream as the server sends it best: a real file by sendfile."""
    try:
        os.fstat(stream.fileno())
    except (OSError, AttributeError):
        return iter(lambda: stream.read(BLOCK), b"")
    return wrap_file(request.environ, stream, BLOCK)
