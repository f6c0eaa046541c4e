"""The page that shows a token which a person generated for themselves, once."""

import json
import time

from flask import Blueprint, Response, request
from werkzeug.http import dump_cookie

from models.access import signed_in_user
from models.tables import User
from models.vault import Undecryptable
from registry.services import Services
from web.errors import answer_errors
from web.oauth.server import LOCAL_PATH, Server
from web.page import TEMPLATES, leave, page, visitor

COOKIE = "drydock-generated"
SHOWN_WITHIN_S = 60
_KIND = "generated"


def blueprint(services: Services, server: Server) -> Blueprint:
    """Quay's path for it. The token comes in a cookie that only this server can read and that the page takes away."""
    pages = Blueprint("oauth_generated", __name__, template_folder=str(TEMPLATES))
    answer_errors(pages, services)

    @pages.get(LOCAL_PATH)
    def show() -> Response:
        caller = visitor(services)
        user = server.reading(lambda session: signed_in_user(session, caller))
        token = _open(services, user)
        response = page(services, "generated.html", token=token, cancelled=request.args.get("error") is not None)
        if COOKIE in request.cookies:
            response.headers.add("Set-Cookie", _cookie(services, "", max_age=0))
        return response

    return pages


def hand_over(services: Services, token: str, user: User) -> Response:
    """Lead to the page, which shows the token; it is not in the address, which browsers remember."""
    sealed = {"kind": _KIND, "token": token, "user": user.id, "until": int(time.time()) + SHOWN_WITHIN_S}
    value = services.database.vault.encrypt(json.dumps(sealed))
    return leave(LOCAL_PATH, _cookie(services, value, max_age=SHOWN_WITHIN_S))


def cancelled() -> Response:
    """Lead to the page, which says that there is no token."""
    return leave(f"{LOCAL_PATH}?error=access_denied")


def _open(services: Services, user: User) -> str | None:
    try:
        sealed = json.loads(services.database.vault.decrypt(request.cookies.get(COOKIE, "")))
    except (Undecryptable, ValueError):
        return None
    mine = isinstance(sealed, dict) and sealed.get("kind") == _KIND and sealed["user"] == user.id
    return str(sealed["token"]) if mine and sealed["until"] >= time.time() else None


def _cookie(services: Services, value: str, *, max_age: int) -> str:
    secure = services.settings.PREFERRED_URL_SCHEME == "https"
    return dump_cookie(COOKIE, value, max_age=max_age, path=LOCAL_PATH, secure=secure, httponly=True, samesite="Strict")
