"""GET, HEAD and DELETE of blobs (end-2, end-10)."""

import os
from typing import BinaryIO

from flask import Blueprint, Response, request
from werkzeug.http import parse_range_header
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
    if not services.settings.FEATURE_PROXY_STORAGE:
        url = services.storage.url(blob.path, expires_s=URL_LIFETIME_S)
        if url is not None:
            return Response(status=307, headers={**headers, "Location": url})
    return _stream(blob, headers)


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


def _stream(blob: StoredBlob, headers: dict[str, str]) -> Response:
    start, stop = _wanted(blob)
    whole = (start, stop) == (0, blob.size)
    if not whole:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{blob.size}"
    headers["Content-Length"] = str(stop - start)
    stream = registry().services.storage.open(blob.path, start=start, stop=None if stop == blob.size else stop)
    metrics.blob_bytes("out", stop - start)
    response = Response(_body(stream), status=200 if whole else 206, headers=headers, direct_passthrough=True)
    response.call_on_close(stream.close)
    return response


def _wanted(blob: StoredBlob) -> tuple[int, int]:
    """The bytes asked for, or all of them where RFC 9110 lets the server choose or wants it so.

    Which is: several ranges at once, another unit, and a range of another content (If-Range).
    """
    wanted = parse_range_header(request.headers.get("Range"))
    if wanted is None or wanted.units != "bytes" or len(wanted.ranges) != 1:
        return 0, blob.size
    if "If-Range" in request.headers and request.if_range.etag != blob.digest:
        return 0, blob.size
    start, _ = wanted.ranges[0]
    if blob.size and start < -blob.size:
        return 0, blob.size
    found = wanted.range_for_length(blob.size)
    if found is None:
        raise RangeUnsatisfiable({"size": blob.size}, headers={"Content-Range": f"bytes */{blob.size}"})
    return found


def _body(stream: BinaryIO):  # type: ignore[no-untyped-def]
    """The stream as the server sends it best: a real file by sendfile."""
    try:
        os.fstat(stream.fileno())
    except (OSError, AttributeError):
        return iter(lambda: stream.read(BLOCK), b"")
    return wrap_file(request.environ, stream, BLOCK)
