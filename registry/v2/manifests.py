"""GET, HEAD, PUT and DELETE of manifests (end-3, end-7, end-9)."""

from flask import Blueprint, Response, request
from werkzeug.exceptions import ClientDisconnected

from models import metrics
from models.errors import NotFound
from models.pulls import Pull
from models.quota_notices import refusals_told
from models.session import Session
from models.tags import remove_tag
from registry.errors import ManifestInvalid, ManifestUnknown, SizeInvalid
from registry.labels import read_labels, wishes_of
from registry.manifest_format import ParsedManifest
from registry.manifests import fetch_manifest, parse_pushed, put_manifest, remove_manifest
from registry.names import Digest, MalformedTag, RepositoryName, parse_reference, parse_tag
from registry.protection import renew_manifest
from registry.repositories import ensure_writable, writable
from registry.v2.context import authorize, may_push, registry
from registry.v2.errors import API_VERSION
from registry.v2.failures import failures_told

BLOCK = 1 << 20
MOST_DISCARDED = 16 * BLOCK

blueprint = Blueprint("manifests", __name__)


@blueprint.route("/<path:name>/manifests/<reference>", methods=["GET", "HEAD"])
@failures_told("pull_repo_failed")
def get_manifest(name: str, reference: str) -> Response:
    """The manifest as it was pushed."""
    repository = RepositoryName.parse(name)
    actor = authorize(repository, "pull")
    wanted = _asked_for(reference)
    services = registry().services
    if request.method == "HEAD" and isinstance(wanted, Digest) and may_push(repository):
        renew_manifest(services.database, repository, wanted, services.settings.PUSH_TEMP_TAG_EXPIRATION_SEC)
    with services.database.read() as session:
        found = fetch_manifest(session, repository, wanted)
    headers = served_headers(found.digest, found.media_type)
    if request.if_none_match.contains_weak(found.digest):
        return Response(status=304, headers=headers)
    if request.method == "HEAD":
        return Response(headers={**headers, "Content-Length": str(len(found.content))})
    metrics.pulled()
    detail = pull_detail(repository, reference, found.digest, found.media_type)
    registry().pulls.note(Pull(actor, found.namespace_id, found.repository_id, detail))
    return Response(found.content, headers=headers)


@blueprint.put("/<path:name>/manifests/<reference>")
@failures_told("push_repo_failed")
def put(name: str, reference: str) -> Response:
    """Store a manifest under a tag or its digest. With a digest, `tag` parameters name it as well."""
    repository = RepositoryName.parse(name)
    actor = authorize(repository, "push")
    wanted = parse_reference(reference)
    services = registry().services
    content = _content(services.settings.MAXIMUM_MANIFEST_SIZE)
    digest, parsed = parse_pushed(content, request.mimetype or None, wanted)
    tags = [parse_tag(tag) for tag in request.args.getlist("tag")] if isinstance(wanted, Digest) else [wanted]
    ensure_writable(services.database, services.settings, repository, actor=actor)

    wishes = wishes_of(read_labels(services, repository, parsed))
    protection_s = services.settings.PUSH_TEMP_TAG_EXPIRATION_SEC

    def store(session: Session) -> None:
        target = writable(session, repository)
        put_manifest(
            session,
            target,
            content,
            digest,
            parsed,
            tags=tags,
            actor=actor,
            wishes=wishes,
            protection_s=protection_s,
        )

    with refusals_told(services.database):
        services.database.apply(store)
    metrics.pushed()
    headers = stored_headers(repository, digest, parsed)
    if isinstance(wanted, Digest) and tags:
        headers["OCI-Tag"] = ", ".join(tags)
    return Response(status=201, headers={**headers, "Content-Length": "0"})


@blueprint.delete("/<path:name>/manifests/<reference>")
@failures_told("delete_tag_failed")
def delete(name: str, reference: str) -> Response:
    """End a tag; or, by digest, the manifest and all its tags."""
    repository = RepositoryName.parse(name)
    actor = authorize(repository, "push")
    wanted = _asked_for(reference)
    with registry().services.database.write() as session:
        target = writable(session, repository)
        if isinstance(wanted, Digest):
            remove_manifest(session, target, wanted, actor=actor)
        else:
            try:
                remove_tag(session, target, wanted, actor=actor)
            except NotFound as exc:
                raise ManifestUnknown({"tag": wanted}) from exc
    return Response(status=202, headers=API_VERSION)


def _asked_for(reference: str) -> Digest | str:
    """What a manifest that is here already is asked for by; ManifestUnknown if no tag can be called so."""
    try:
        return parse_reference(reference)
    except MalformedTag as exc:
        raise ManifestUnknown({"tag": reference}) from exc


def _content(most: int) -> bytes:
    announced = request.content_length or 0
    try:
        content = b"" if announced > most else request.stream.read(most + 1)
    except ClientDisconnected as exc:
        raise ManifestInvalid("the connection broke") from exc
    if max(len(content), announced) > most:
        # A client that still sends when the connection closes would not see the answer.
        for _ in range(MOST_DISCARDED // BLOCK):
            if not request.stream.read(BLOCK):
                break
        raise SizeInvalid(f"a manifest may have at most {most} bytes (MAXIMUM_MANIFEST_SIZE)")
    if len(content) < announced:
        raise ManifestInvalid(f"the connection broke after {len(content)} bytes")
    return content


def served_headers(digest: str, media_type: str) -> dict[str, str]:
    """What tells a client which manifest it gets."""
    return {**API_VERSION, "Docker-Content-Digest": digest, "ETag": f'"{digest}"', "Content-Type": media_type}


def stored_headers(repository: RepositoryName, digest: Digest, parsed: ParsedManifest) -> dict[str, str]:
    """What tells a client which manifest the registry has now."""
    headers = {"Location": f"/v2/{repository}/manifests/{digest}", "Docker-Content-Digest": str(digest)}
    subject = {"OCI-Subject": parsed.subject} if parsed.subject else {}
    return {**API_VERSION, **headers, **subject}


def pull_detail(repository: RepositoryName, reference: str, digest: str, media_type: str) -> dict[str, str]:
    """What the action log says of a pull."""
    detail = {"namespace": repository.namespace, "repo": repository.name, "mediaType": media_type}
    detail["manifest_digest"] = digest
    return detail if ":" in reference else {**detail, "tag": reference}
