"""The OCI distribution protocol over HTTP, at /v2 (distribution specification 1.1)."""

from flask import Blueprint, Flask

from models.pulls import PullLog
from registry.services import Services
from registry.tokens import Tokens
from registry.v2 import blobs, catalog, errors, manifests, tags, token, uploads
from registry.v2.context import Registry, refuse_nul


def open_registry(services: Services) -> Registry:
    """What the views stand on."""
    settings = services.settings
    tokens = Tokens(
        services.database, audience=settings.SERVER_HOSTNAME, lifetime_s=settings.REGISTRY_TOKEN_LIFETIME_SEC
    )
    return Registry(services, tokens, PullLog(services.redis, services.database))


def mount(app: Flask, services: Services) -> None:
    """Serve the registry at /v2 of the app."""
    app.extensions["drydock.registry"] = open_registry(services)
    v2 = Blueprint("v2", __name__, url_prefix="/v2")
    errors.register(v2)
    v2.before_request(refuse_nul)
    for part in (token, catalog, uploads, blobs, manifests, tags):
        v2.register_blueprint(part.blueprint)
    app.register_blueprint(v2)
