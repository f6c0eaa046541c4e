"""Errors as Quay's REST API shows them: always the same problem document, whatever went wrong and wherever."""

import json
import logging
from collections.abc import Mapping
from typing import Literal, NamedTuple

from flask import Response, g, request
from werkzeug.exceptions import HTTPException

from api.context import bearer_token, services
from api.endpoint import View
from models import errors
from models.redaction import redacted

log = logging.getLogger(__name__)


class Kind(NamedTuple):
    """An error type: the status it is answered with, and what it means."""

    status: int
    description: str


KINDS: Mapping[str, Kind] = {
    "invalid_request": Kind(400, "The request is malformed, or a value in it is not one that is allowed."),
    "invalid_response": Kind(400, "Another service answered in a way that cannot be used."),
    "invalid_token": Kind(401, "The access token is missing, unknown or no longer valid."),
    "expired_token": Kind(401, "The access token was valid once and has expired."),
    "fresh_login_required": Kind(401, "The operation needs a session in which the password was given lately."),
    "exceeds_license": Kind(402, "The operation is not covered by what this installation is allowed to do."),
    "insufficient_scope": Kind(403, "The caller, or the access token it uses, may not do this."),
    "quota_exceeded": Kind(403, "The operation would pass a limit that is set for the namespace."),
    "not_found": Kind(404, "What the request names does not exist."),
    "method_not_allowed": Kind(405, "The path exists, but not for this method."),
    "request_too_large": Kind(413, "The body is larger than the operation accepts."),
    "unsupported_media_type": Kind(415, "The body must be JSON, with Content-Type: application/json."),
    "tag_immutable": Kind(409, "The tag was made immutable; nothing may change it."),
    "too_many_requests": Kind(429, "The caller has to wait; Retry-After tells how many seconds."),
    "internal_error": Kind(500, "Something unexpected happened; the server's log tells what."),
    "read_only": Kind(503, "The repository or the whole registry takes no changes at the moment."),
    "downstream_issue": Kind(503, "A service that this one depends on does not work."),
    "external_service_timeout": Kind(520, "Another service did not answer in time; trying again may help."),
}

DOMAIN: Mapping[type[errors.DomainError], str] = {
    errors.Invalid: "invalid_request",
    errors.Exceeded: "invalid_request",
    errors.Conflict: "invalid_request",  # Quay answers 400 where a name is taken or a thing in use
    errors.TagImmutable: "tag_immutable",
    errors.Unauthenticated: "invalid_token",
    errors.StaleLogin: "fresh_login_required",
    errors.Forbidden: "insufficient_scope",
    errors.NotFound: "not_found",
    errors.QuotaExceeded: "quota_exceeded",
    errors.ReadOnly: "read_only",
    errors.TooMany: "too_many_requests",
    errors.Upstream: "downstream_issue",
}

_HTTP = {
    404: "not_found",
    405: "method_not_allowed",
    413: "request_too_large",
    415: "unsupported_media_type",
    429: "too_many_requests",
}


class ProblemView(View):
    """What went wrong. `message` says the same once more, since Quay says some things by that name alone.

    Of parameters in the query string it tells one by one, as there.
    """

    message: str | dict[str, str]
    detail: str
    error_message: str
    error_type: str
    title: str
    type: str
    status: int


class UnauthenticatedView(ProblemView):
    session_required: Literal[False] = False


def type_url(error_type: str) -> str:
    """Where the error type is explained."""
    return f"{services().settings.url}/api/v1/error/{error_type}"


def answer_error(error: Exception) -> Response:
    """The answer to whatever went wrong; what was not foreseen is logged and not told."""
    if isinstance(error, errors.DomainError):
        return _domain_problem(error)
    if isinstance(error, HTTPException) and error.code is not None and error.code < 500:
        detail = error.name if error.code == 404 else error.description or error.name
        response = problem(_HTTP.get(error.code, "invalid_request"), detail, error.code)
        for name, value in error.get_headers(request.environ):
            if name == "Allow":
                response.headers[name] = value
        return response
    log.error("%s %s failed", request.method, redacted(request.path), exc_info=error)
    return problem("internal_error", "Internal Server Error")


def problem(
    error_type: str, detail: str, status: int | None = None, facts: Mapping[str, object] = errors.NO_FACTS
) -> Response:
    """A problem document, with `facts` beside what each has; `status` only where it is not the type's own."""
    code = status or KINDS[error_type].status
    model = UnauthenticatedView if code == 401 else ProblemView
    view = model(
        message=detail,
        detail=detail,
        error_message=detail,
        error_type=error_type,
        title=error_type,
        type=type_url(error_type),
        status=code,
    )
    content = json.dumps({**view.model_dump(), **facts})
    return finish(Response(content, status=code, mimetype="application/json"))


ALWAYS: Mapping[str, str] = {
    "Access-Control-Allow-Origin": "*",  # no cookie is ever sent along with it
    "Access-Control-Allow-Methods": "DELETE, GET, HEAD, OPTIONS, POST, PUT",
    "Access-Control-Max-Age": "21600",
    "Access-Control-Allow-Headers": "AUTHORIZATION, CONTENT-TYPE, X-REQUESTED-WITH",
    "Access-Control-Expose-Headers": "Location, Retry-After, WWW-Authenticate",
    "X-Content-Type-Options": "nosniff",
}
"""The headers that every answer of this surface has."""
USUALLY: Mapping[str, str] = {
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",  # answers may hold robot tokens
    "Vary": "Cookie",
}
"""Those that it has unless it says something else."""


def finish(response: Response) -> Response:
    """Add the headers of this surface."""
    headers = response.headers
    for name, value in ALWAYS.items():
        headers[name] = value
    for name, value in USUALLY.items():
        headers.setdefault(name, value)
    if token := g.get("csrf_token"):
        headers.setdefault("X-Next-CSRF-Token", token)
    return response


def _domain_problem(error: errors.DomainError) -> Response:
    error_type = DOMAIN[type(error)]
    if isinstance(error, errors.Upstream):
        log.warning("%s %s: %s", request.method, redacted(request.path), error.detail, exc_info=error.__cause__)
    response = problem(error_type, error.detail or error_type, facts=error.facts)
    if response.status_code == 401:
        presented = bearer_token() is not None
        realm = f'Bearer realm="{services().settings.SERVER_HOSTNAME}"'
        response.headers["WWW-Authenticate"] = realm + (', error="invalid_token"' if presented else "")
    if isinstance(error, errors.TooMany) and error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response
