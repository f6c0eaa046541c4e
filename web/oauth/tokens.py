"""Where applications exchange a code for a token (POST /oauth/access_token), and give one back (POST /oauth/revoke)."""

from authlib.oauth2.rfc6749 import InvalidRequestError
from flask import Blueprint, Response, request

from models.authorization_codes import is_code
from models.tokens import find_oauth_token
from registry.services import Services
from web.oauth.grants import LONGEST_CODE
from web.oauth.server import Server

MOST_BYTES = 64 * 1024


def blueprint(services: Services, server: Server) -> Blueprint:
    """Both, for programs: everything comes in the form, and cookies play no part."""
    endpoints = Blueprint("oauth_tokens", __name__)
    endpoints.before_request(_limit)

    @endpoints.post("/oauth/access_token")
    def exchange() -> Response:
        refused = _malformed(server, "grant_type")
        if refused is not None:
            return refused
        # Only what may become a token makes those wait who write.
        known = server.reading(lambda session: is_code(session, request.form.get("code", "")[:LONGEST_CODE]))
        carry_out = server.writing if known else server.reading
        answer: Response = carry_out(lambda _: server.create_token_response())
        return answer

    @endpoints.post("/oauth/revoke")
    def revoke() -> Response:
        refused = _malformed(server)
        if refused is not None:
            return refused
        known = server.reading(lambda session: find_oauth_token(session, request.form.get("token", "")) is not None)
        carry_out = server.writing if known else server.reading
        answer: Response = carry_out(lambda _: server.create_endpoint_response("revocation"))
        return answer

    @endpoints.after_request
    def open_to_scripts(response: Response) -> Response:
        # A program in a web page of another origin may ask, too: it has to bring everything itself.
        response.headers["Access-Control-Allow-Origin"] = "*"
        return response

    return endpoints


def _limit() -> None:
    request.max_content_length = MOST_BYTES


def _malformed(server: Server, *required: str) -> Response | None:
    """The answer to a form that lacks a parameter, or has one twice (RFC 6749, section 3.2)."""
    missing = [name for name in required if not request.form.get(name)]
    repeated = [name for name in request.form if len(request.form.getlist(name)) > 1]
    unstorable = [name for name, value in request.form.items() if "\0" in value]
    if not missing and not repeated and not unstorable:
        return None
    told = f"Missing '{missing[0]}' in request." if missing else "A parameter is there twice, or has a NUL character."
    answer: Response = server.handle_error_response(None, InvalidRequestError(told))
    return answer
