"""OAuth 2: people allow applications to act for them (RFC 6749, 7009, 7636, 8414), at Quay's paths."""

from flask import Flask

from registry.services import Services
from web.oauth import assigning, consent, generated, metadata, tokens
from web.oauth.server import Server


def mount(app: Flask, services: Services) -> None:
    """Serve all of it."""
    server = Server(services)
    for part in (assigning, consent, generated, metadata, tokens):
        app.register_blueprint(part.blueprint(services, server))
