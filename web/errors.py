"""What went wrong, on a page: one table from the domain's errors to statuses, as each surface has one."""

from collections.abc import Mapping

from flask import Blueprint, Response

from models import errors
from registry.services import Services
from web.page import page

STATUSES: Mapping[type, tuple[int, str]] = {
    errors.DomainError: (400, "That cannot be done"),
    errors.Conflict: (409, "That does not go together"),
    errors.Forbidden: (403, "Not allowed"),
    errors.Invalid: (400, "That cannot be right"),
    errors.NotFound: (404, "There is no such page"),
    errors.StaleLogin: (401, "Please give your password again"),
    errors.TooMany: (429, "Please wait a moment"),
    errors.Unauthenticated: (401, "Please sign in"),
    errors.Unconfirmed: (403, "Please confirm your address"),
    errors.Upstream: (503, "Another server does not answer"),
}


def answer_errors(pages: Blueprint, services: Services) -> None:
    """Let the blueprint show what its views raise."""

    @pages.errorhandler(errors.DomainError)
    def answer(error: errors.DomainError) -> Response:
        return show_error(services, error)


def show_error(services: Services, error: errors.DomainError, *, back: str | None = None) -> Response:
    """A page that tells of the error, with a way back."""
    status, heading = next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)
    response = page(services, "error.html", status=status, heading=heading, problem=error.detail, back=back)
    if isinstance(error, errors.TooMany) and error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response
