"""GET /v2/ (end-1) and the catalog of repositories."""

from flask import Blueprint, Response, jsonify, request

from models.repositories import list_repository_names
from registry.errors import NameUnknown, Unsupported
from registry.v2.context import challenge, grant, registry
from registry.v2.errors import API_VERSION, Challenge
from registry.v2.paging import page, page_size

blueprint = Blueprint("catalog", __name__)


@blueprint.get("/")
def ping() -> Response:
    """Says that this is a registry, to whoever has a token (an anonymous one will do)."""
    if not request.headers.get("Authorization", "").lower().startswith("bearer "):
        raise Challenge("", headers={"WWW-Authenticate": challenge()})
    grant()
    response = jsonify({})
    response.headers.update(API_VERSION)
    return response


@blueprint.get("/_catalog")
def catalog() -> Response:
    """The repositories that the caller may read, in order of namespace and name; public ones without a token."""
    held = grant()
    visitor = held.identity.is_anonymous and registry().services.settings.FEATURE_ANONYMOUS_ACCESS
    if not held.catalog and not visitor:
        raise Challenge(
            "the catalog needs a token for it", headers={"WWW-Authenticate": challenge("registry:catalog:*")}
        )
    size = page_size()
    with registry().services.database.read() as session:
        last = request.args.get("last", "")
        names = list_repository_names(session, held.identity, after=last, limit=size + 1) if size else []
    shown = names[:size]
    return page({"repositories": shown}, shown, size, more=len(names) > size)


@blueprint.route("/<path:path>", methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
def unknown(path: str) -> Response:
    """Nothing else is served here; the error says so in the specification's form."""
    if request.method not in ("GET", "HEAD"):
        raise Unsupported(f"{request.method} is not served at /v2/{path}")
    raise NameUnknown(f"nothing is served at /v2/{path}")
