"""Tag lists and referrers (end-8, end-12)."""

from json.encoder import encode_basestring_ascii as _quoted

from flask import Blueprint, Response, request

from models.manifests import Referrer, list_referrers
from models.tags import list_tag_names
from registry.manifest_format import OCI_INDEX
from registry.names import Digest, RepositoryName
from registry.repositories import existing, repository_id
from registry.v2.context import authorize, registry
from registry.v2.errors import API_VERSION
from registry.v2.paging import next_link, page, page_size, position

_NOTHING = (None, "null", "{}")

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
        id_ = repository_id(session, repository)
        # Nothing is there before the first push either; 404 would say that this registry keeps no such lists.
        none: tuple[list[Referrer], None] = ([], None)
        found, last = none if id_ is None else list_referrers(session, id_, subject, wanted, after=after, limit=size)
    entries = ",".join(map(_descriptor, found))
    response = Response(f'{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{entries}]}}', headers=API_VERSION)
    response.headers["Content-Type"] = OCI_INDEX
    if wanted is not None:
        response.headers["OCI-Filters-Applied"] = "artifactType"
    if last is not None:
        filters = {} if wanted is None else {"artifactType": wanted}
        response.headers["Link"] = next_link(request.path, size, str(last), **filters)
    return response


def _descriptor(manifest: Referrer) -> str:
    """JSON, put together and not dumped, since a page has a thousand of them and annotations are JSON already."""
    kind = "" if manifest.artifact_type is None else f',"artifactType":{_quoted(manifest.artifact_type)}'
    notes = "" if manifest.annotations in _NOTHING else f',"annotations":{manifest.annotations}'
    media_type = _quoted(manifest.media_type)
    return f'{{"mediaType":{media_type},"digest":"{manifest.digest}","size":{manifest.size}{kind}{notes}}}'
