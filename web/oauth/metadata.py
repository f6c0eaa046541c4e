"""What applications may find out by themselves (RFC 8414)."""

from flask import Blueprint, Response, jsonify

from models.scopes import SCOPES
from registry.services import Services
from web.oauth.clients import METHODS
from web.oauth.server import Server


def blueprint(services: Services, server: Server) -> Blueprint:
    """The document, at the path that the specification gives it."""
    pages = Blueprint("oauth_metadata", __name__)

    @pages.get("/.well-known/oauth-authorization-server")
    def show() -> Response:
        url = services.settings.url
        response = jsonify(
            issuer=url,
            authorization_endpoint=f"{url}/oauth/authorize",
            token_endpoint=f"{url}/oauth/access_token",
            revocation_endpoint=f"{url}/oauth/revoke",
            service_documentation=f"{url}/api/v1/",
            scopes_supported=list(SCOPES),
            response_types_supported=["code", "token"],
            response_modes_supported=["query", "fragment"],
            grant_types_supported=["authorization_code", "implicit"],
            code_challenge_methods_supported=["S256"],
            token_endpoint_auth_methods_supported=list(METHODS),
            revocation_endpoint_auth_methods_supported=list(METHODS),
        )
        response.headers["Access-Control-Allow-Origin"] = "*"
        return response

    return pages
