"""What all pages share: who looks at them, their frame and headers, and forms that nobody else can send."""

import base64
import hashlib
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, g, render_template, request
from markupsafe import Markup

from models.access import ANONYMOUS, Identity
from models.errors import NotFound
from models.sessions import find_session, new_value
from models.signin import Browser
from registry.services import Services
from registry.session_cookie import CSRF_FIELD, CSRF_HEADER, check_csrf, cookie_header, csrf_token, read_cookie

TEMPLATES = Path(__file__).with_name("templates")
_STYLE = (TEMPLATES / "style.css").read_text(encoding="utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_OWN_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]*")  # printable ASCII, but no backslash: fit for a header, too
LONGEST_PATH = 4096
QUAYS_CSRF_FIELD = "_csrf_token"


def visitor(services: Services) -> Identity:
    """Who looks at the page: the person whose session the browser's cookie holds, or nobody."""
    if "visitor" not in g:
        cookie = read_cookie(services.settings)
        found = find_session(services.database, services.superusers, services.settings, cookie) if cookie else None
        g.visitor = (found or ANONYMOUS).at(request.remote_addr)
    caller: Identity = g.visitor
    return caller


def browser(services: Services) -> Browser:
    """Where the request comes from."""
    return Browser(read_cookie(services.settings), request.remote_addr, request.user_agent.string)


def members_only(pages: Blueprint, services: Services) -> None:
    """Let people sign in before they see any of the pages, and come back to the one they wanted."""

    @pages.before_request
    def sign_in_first() -> Response | None:
        if "\0" in request.path or any("\0" in value for value in request.values.values()):
            raise NotFound("No page and no name has a NUL character.")
        # Looked up for forms as well, before they are carried out: that may write, and two writers wait for each other.
        if visitor(services).is_anonymous and request.method == "GET":
            return leave("/signin?" + urlencode({"next": request.full_path.rstrip("?")}))
        return None


def check_form(services: Services) -> None:
    """Refuse (Forbidden) a form that did not come from a page of ours in this very browser.

    A script of ours may send the token in the header instead, or in the field that Quay's pages have.
    """
    given = request.form.get(CSRF_FIELD) or request.form.get(QUAYS_CSRF_FIELD) or request.headers.get(CSRF_HEADER)
    check_csrf(services.settings, read_cookie(services.settings), given)


def page(services: Services, template: str, *, status: int = 200, sends_to: str = "'self'", **values: Any) -> Response:
    """A page made of the template, which may call `csrf_field()` in its forms.

    `sends_to`: where forms may lead, redirects after them included (a Content-Security-Policy source list).
    """
    settings = services.settings
    cookie = read_cookie(settings) or new_value()
    needs_cookie = False

    def csrf_field() -> Markup:
        nonlocal needs_cookie
        needs_cookie = True
        return Markup('<input type="hidden" name="{}" value="{}">').format(CSRF_FIELD, csrf_token(settings, cookie))

    html = render_template(
        template,
        registry=settings.REGISTRY_TITLE,
        host=settings.SERVER_HOSTNAME,
        style=Markup(_STYLE),  # noqa: S704 # a file of ours
        caller=visitor(services),
        csrf_field=csrf_field,
        **values,
    )
    response = Response(html, status, headers=_headers(sends_to), mimetype="text/html")
    if needs_cookie and cookie != read_cookie(settings):
        response.headers.add("Set-Cookie", cookie_header(settings, cookie))
    return response


def own_path(given: str | None) -> str:
    """The path on this server that `given` is, or the front page's: nobody is sent elsewhere by a link to us."""
    return given if given and len(given) <= LONGEST_PATH and _OWN_PATH.fullmatch(given) else "/"


def leave(path: str, *cookies: str) -> Response:
    """A redirect that nobody keeps, with Set-Cookie headers."""
    response = Response(status=303, headers={"Location": path})
    for cookie in cookies:
        response.headers.add("Set-Cookie", cookie)
    response.headers["Cache-Control"] = "no-store"
    return response


def _headers(sends_to: str) -> dict[str, str]:
    return {
        "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'; "
        f"base-uri 'none'; form-action {sends_to}",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
        "Vary": "Cookie",
    }
