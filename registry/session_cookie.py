"""The cookie that ties a browser to its session, and the token that ties a form to the cookie.

A browser that is not signed in has such a cookie too once a form was shown to it: random, and known to nobody. A CSRF
token is the cookie's value under a key, so it needs no row, and nobody who cannot read the cookie can make it.
"""

import hashlib
import hmac

from flask import request
from werkzeug.http import dump_cookie

from config.settings import Settings
from models.errors import Forbidden

CSRF_HEADER = "X-CSRF-Token"
CSRF_FIELD = "csrf_token"
FLOW_PATH = "/oauth2/"


def read_cookie(settings: Settings) -> str | None:
    """What the browser's cookie holds, or None."""
    return request.cookies.get(_name(settings)) or None


def cookie_header(settings: Settings, value: str, *, lasting: bool = False) -> str:
    """The Set-Cookie header for `value`; `lasting`: beyond the browser's end, where such sessions are allowed."""
    return dump_cookie(
        _name(settings),
        value,
        max_age=settings.session_lifetime if lasting and settings.FEATURE_PERMANENT_SESSIONS else None,
        secure=_secure(settings),
        httponly=True,
        samesite="Lax",
    )


def removal_header(settings: Settings) -> str:
    """The Set-Cookie header that takes the cookie away."""
    return dump_cookie(_name(settings), "", max_age=0, secure=_secure(settings), httponly=True, samesite="Lax")


def flow_header(settings: Settings, name: str, value: str, *, seconds: int) -> str:
    """The Set-Cookie header of a sign-in by another service that is under way; 0 seconds take the cookie away."""
    secure = _secure(settings)
    return dump_cookie(name, value, max_age=seconds, path=FLOW_PATH, secure=secure, httponly=True, samesite="Lax")


def csrf_token(settings: Settings, value: str) -> str:
    """The token for forms and scripts of a browser whose cookie holds `value`."""
    key = settings.secret_key.get_secret_value().encode()
    return hmac.new(key, b"csrf:" + value.encode(), hashlib.sha256).hexdigest()


def check_csrf(settings: Settings, value: str | None, given: str | None) -> None:
    """Refuse (Forbidden) what was not sent by a page or script that we gave the token to."""
    known = csrf_token(settings, value) if value else ""
    if not given or not known or not hmac.compare_digest(known.encode(), given.encode()):
        raise Forbidden("CSRF token was invalid or missing.")


def _secure(settings: Settings) -> bool:
    return settings.PREFERRED_URL_SCHEME == "https"


def _name(settings: Settings) -> str:
    # Browsers take a cookie of this name from nobody but this very host, by TLS; a neighbouring host cannot plant one.
    return "__Host-drydock-session" if _secure(settings) else "drydock-session"
