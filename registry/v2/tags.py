"""Tag lists and referrers (end-8, end-12)."""

from flask import Blueprint, Response, jsonify, request

from models.manifests import list_referrers
from models.tags import list_tag_names
from registry.manifest_format import OCI_INDEX
from registry.names import Digest, RepositoryName
from registry.repositories import existing
from registry.v2.context import authorize, registry
from registry.v2.errors import API_VERSION
from registry.v2.paging import next_link, page, page_size, position

blueprint = Blueprint("tags", __name__)


@blueprint.get("/<path:name>/tags/list")
def list_tags(name: str) -> Response:
    """The repository's tags in byte order, a page at a time."""
    repository = RepositoryName.parse(name)
    authorize(repository, "pull")
    size = page_size()
    with registry().services.database.read() as session:
        target = existing(session, repository)
        names = list_tag_names(session, target.id, after=request.args.get("last", ""), limit=size + 1) if size else []
    shown = names[:size]
    return page({"name": str(repository), "tags": shown}, shown, size, more=len(names) > size)


@blueprint.get("/<path:name>/referrers/<digest>")
def referrers(name: str, digest: str) -> Response:
    """An index of the manifests whose subject is the digest, a page at a time; an empty one if there are none."""
    repository = RepositoryName.parse(name)
    authorize(repository, "pull")
    subject, wanted = str(Digest.parse(digest)), request.args.get("artifactType")
    size, after = max(page_size(), 1), position()
    with registry().services.database.read() as session:
        target = existing(session, repository)
        found, more = list_referrers(session, target.id, subject, wanted, after=after, limit=size)
    manifests = [
        {
            "mediaType": manifest.media_type,
            "digest": manifest.digest,
            "size": manifest.size,
            **({"artifactType": manifest.artifact_type} if manifest.artifact_type else {}),
            **({"annotations": manifest.annotations} if manifest.annotations else {}),
        }
        for manifest in found
    ]
    response = jsonify(schemaVersion=2, mediaType=OCI_INDEX, manifests=manifests)
    response.headers.update(API_VERSION | {"Content-Type": OCI_INDEX})
    if wanted is not None:
        response.headers["OCI-Filters-Applied"] = "artifactType"
    if more:
        filters = {} if wanted is None else {"artifactType": wanted}
        response.headers["Link"] = next_link(request.path, size, str(found[-1].id), **filters)
    return response
