"""Blob uploads (end-4 to end-6, end-11, end-13, end-14)."""

from flask import Blueprint, Response, request

from models.access import Identity
from models.quota_notices import refusals_told
from models.session import Session
from registry.blobs import find_blob, mount_blob
from registry.errors import BlobUnknown, DigestInvalid, UploadInvalid, UploadOutOfOrder, UploadUnknown
from registry.names import Digest, Malformed, RepositoryName
from registry.repositories import ensure_writable, repository_id
from registry.services import Services
from registry.upload_rows import Upload, find_upload, has_ended
from registry.uploads import begin_upload, cancel, finish, receive, receive_and_finish
from registry.v2.body import content_range, has_body, request_body
from registry.v2.context import authorize, registry
from registry.v2.errors import API_VERSION

blueprint = Blueprint("uploads", __name__)


@blueprint.post("/<path:name>/blobs/uploads/")
@blueprint.post("/<path:name>/blobs/uploads", endpoint="start_without_slash")
def start(name: str) -> Response:
    """Begin an upload; or mount a blob that is here already; or take a whole blob at once."""
    repository = RepositoryName.parse(name)
    actor = authorize(repository, "push")
    services = registry().services
    digest = _digest("digest")
    mounted = _digest("mount")
    id_ = ensure_writable(services.database, services.settings, repository, actor=actor)
    if mounted is not None and _mount(id_, mounted, actor):
        return _created(repository, mounted)
    with refusals_told(services.database):
        upload = begin_upload(services, id_)
    if digest is None:
        return Response(status=202, headers={**begun_headers(repository, upload, services), "Content-Length": "0"})
    try:
        receive_and_finish(services, upload, request_body(), digest)
    except DigestInvalid:
        cancel(services, upload)
        raise
    return _created(repository, digest)


@blueprint.get("/<path:name>/blobs/uploads/<uuid>")
def status(name: str, uuid: str) -> Response:
    """How much of the upload has arrived."""
    repository, upload = _under_way(name, uuid)
    response = _accepted(repository, upload)
    response.status_code = 204
    return response


@blueprint.patch("/<path:name>/blobs/uploads/<uuid>")
def append(name: str, uuid: str) -> Response:
    """Take the next bytes, or, without Content-Range, all bytes of a stream."""
    repository, upload = _under_way(name, uuid)
    _check_order(repository, upload)
    return _accepted(repository, receive(registry().services, upload, request_body()))


@blueprint.put("/<path:name>/blobs/uploads/<uuid>")
def complete(name: str, uuid: str) -> Response:
    """Take the last bytes, if any, verify the digest and publish the blob.

    A request that comes again, since its answer was lost, gets the same answer.
    """
    repository = RepositoryName.parse(name)
    authorize(repository, "push")
    digest = _digest("digest")
    if digest is None:
        raise DigestInvalid("the digest parameter is missing")
    try:
        _, upload = _under_way(name, uuid)
    except UploadUnknown:
        if not _was_finished(repository, uuid, digest):
            raise
        return _created(repository, digest)
    if has_body():
        _check_order(repository, upload)
        receive_and_finish(registry().services, upload, request_body(), digest)
    else:
        finish(registry().services, upload, digest)
    return _created(repository, digest)


@blueprint.delete("/<path:name>/blobs/uploads/<uuid>")
def forget(name: str, uuid: str) -> Response:
    """Cancel the upload."""
    _, upload = _under_way(name, uuid)
    cancel(registry().services, upload)
    return Response(status=204, headers=API_VERSION)


def _under_way(name: str, uuid: str) -> tuple[RepositoryName, Upload]:
    repository = RepositoryName.parse(name)
    authorize(repository, "push")
    with registry().services.database.read() as session:
        id_ = repository_id(session, repository)
        if id_ is None:
            raise UploadUnknown({"uuid": uuid})
        return repository, find_upload(session, id_, uuid)


def _was_finished(repository: RepositoryName, uuid: str, digest: Digest) -> bool:
    """Whether the upload is over and the repository has the blob."""
    with registry().services.database.read() as session:
        id_ = repository_id(session, repository)
        if id_ is None or not has_ended(session, id_, uuid):
            return False
        try:
            find_blob(session, repository, digest)
        except BlobUnknown:
            return False
        return True


def _mount(repository_id: int, digest: Digest, actor: Identity) -> bool:
    source = request.args.get("from")
    try:
        origin = RepositoryName.parse(source) if source else None
    except Malformed:  # of another registry, whose names are others; what cannot be mounted is uploaded
        return False

    def mount(session: Session) -> bool:
        return mount_blob(session, repository_id, digest, source=origin, actor=actor)

    return registry().services.database.apply(mount)


def _digest(parameter: str) -> Digest | None:
    text = request.args.get(parameter)
    return None if text is None else Digest.parse(text)


def _check_order(repository: RepositoryName, upload: Upload) -> None:
    """A chunk must begin where the upload ends (416 otherwise, with where that is)."""
    wanted = content_range()
    if wanted is not None and wanted[0] != upload.size:
        raise UploadOutOfOrder(
            {"expected": upload.size, "got": wanted[0]}, headers=progress_headers(repository, upload)
        )
    if wanted is not None and request.content_length is None:
        raise UploadInvalid("Content-Range needs a Content-Length")


def progress_headers(repository: RepositoryName, upload: Upload) -> dict[str, str]:
    """What tells a client where an upload goes on, and how far it is."""
    return {
        **API_VERSION,
        "Location": f"/v2/{repository}/blobs/uploads/{upload.uuid}",
        "Range": f"0-{max(upload.size - 1, 0)}",
        "Docker-Upload-UUID": upload.uuid,
    }


def begun_headers(repository: RepositoryName, upload: Upload, services: Services) -> dict[str, str]:
    """What tells a client where its new upload goes on, and how."""
    least = services.storage.least_chunk
    return progress_headers(repository, upload) | ({"OCI-Chunk-Min-Length": str(least)} if least else {})


def created_headers(repository: RepositoryName, digest: Digest) -> dict[str, str]:
    """What tells a client which blob the registry has now."""
    return {**API_VERSION, "Location": f"/v2/{repository}/blobs/{digest}", "Docker-Content-Digest": str(digest)}


def _accepted(repository: RepositoryName, upload: Upload) -> Response:
    return Response(status=202, headers={**progress_headers(repository, upload), "Content-Length": "0"})


def _created(repository: RepositoryName, digest: Digest) -> Response:
    return Response(status=201, headers={**created_headers(repository, digest), "Content-Length": "0"})
