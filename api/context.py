"""What a request stands on: the process's services, and who is calling."""

import re
from typing import cast

from flask import current_app, g, request

from buildworker.openid import LoginServices
from models.access import ANONYMOUS, Identity
from models.authentication import identify_token
from models.errors import Invalid
from models.rates import check_rate
from models.sessions import find_session
from registry.services import Services
from registry.session_cookie import CSRF_HEADER, check_csrf, csrf_token, read_cookie

_BEARER = re.compile(r"bearer(?: +(\S*))? *", re.IGNORECASE)
_BROWSER = re.compile(r"Mozilla/|Opera/")


def services() -> Services:
    """The services of the application that serves this request."""
    return cast(Services, current_app.extensions["drydock"])


def login_services() -> LoginServices:
    """The services by which people sign in to this application."""
    return cast(LoginServices, current_app.extensions["drydock.logins"])


def identify() -> Identity:
    """Who is calling. A bearer token that is presented has to be good (Unauthenticated), also where none is needed.

    Without one, a browser's session counts; what it changes needs the session's CSRF token (Forbidden). Any other kind
    of credential, HTTP basic included, does not count here: such a caller is anonymous, as in Quay.
    """
    token = bearer_token()
    if token is None:
        return (_identify_session() or ANONYMOUS).at(request.remote_addr)
    return identify_token(services().database, services().superusers, token).at(request.remote_addr)


def _identify_session() -> Identity | None:
    settings = services().settings
    cookie = read_cookie(settings)
    if cookie is None:
        return None
    caller = find_session(services().database, services().superusers, settings, cookie)
    if caller is not None:
        if request.method not in {"GET", "HEAD", "OPTIONS"}:
            check_csrf(settings, cookie, request.headers.get(CSRF_HEADER))
        g.csrf_token = csrf_token(settings, cookie)
    return caller


def limit_rate(caller: Identity) -> None:
    """Refuse a caller who calls too often (TooMany). Setting FEATURE_RATE_LIMITS."""
    settings = services().settings
    if settings.FEATURE_RATE_LIMITS:
        per_second, burst = settings.API_CALLS_PER_SECOND, settings.API_CALLS_BURST
        check_rate(services().redis, caller, per_second=per_second, burst=burst)


def bearer_token() -> str | None:
    """The token that the request carries; an empty one is still one, and a wrong one."""
    return bearer_of(request.headers.get("Authorization", ""))


def bearer_of(authorization: str) -> str | None:
    """The token in `Bearer …`."""
    match = _BEARER.fullmatch(authorization)
    return (match[1] or "") if match else None


def refuse_page_visits() -> None:
    """Refuse a GET that a browser makes by itself, for a link or an image of another site (Invalid).

    Only requests that could carry a session are in danger: one with a bearer token was made by a program.
    Setting BROWSER_API_CALLS_XHR_ONLY.
    """
    if not services().settings.BROWSER_API_CALLS_XHR_ONLY or request.method not in {"GET", "HEAD"}:
        return
    from_browser = _BROWSER.match(request.headers.get("User-Agent", ""))
    if from_browser and bearer_token() is None and request.headers.get("X-Requested-With") != "XMLHttpRequest":
        raise Invalid(
            "API calls from a browser need the header X-Requested-With: XMLHttpRequest, "
            "unless BROWSER_API_CALLS_XHR_ONLY is false"
        )
