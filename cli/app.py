"""The WSGI application: every surface on one set of services, built in each web process after the fork."""

import os
import re
import uuid

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from api import v1, webhooks
from api.v1.errors import answer_error
from buildworker.openid import open_login_services
from cli.bodies import with_bodies
from cli.logs import request_id
from cli.pace import Patience
from cli.slots import WAITING, Slots
from config.load import load_settings
from config.secrets import ensure_secrets
from config.settings import Settings
from registry import v2
from registry.services import open_services
from registry.v2.errors import answer_http
from web import (
    applications,
    build_logs,
    exports,
    external_logins,
    federation,
    health,
    invitations,
    keys,
    metrics,
    oauth,
    organizations,
    pages,
    recovery,
    repository_emails,
    signin,
)

_PAGES = (
    applications,
    build_logs,
    exports,
    health,
    invitations,
    keys,
    metrics,
    organizations,
    pages,
    recovery,
    repository_emails,
    signin,
)
_FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
LARGEST_FORM = 1 << 20
"""Bytes. A form is read into memory, several times over, before anybody has said who sends it."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:+/=-]{1,128}")


def create_app(settings: Settings | None = None) -> Flask:
    """The application with everything it stands on; without `settings`, those of the environment."""
    settings = settings or ensure_secrets(load_settings(None, os.environ))
    services = open_services(settings)
    app = Flask("drydock", static_folder=None)
    app.secret_key = settings.secret_key.get_secret_value()
    app.extensions["drydock"] = services
    app.extensions["drydock.logins"] = logins = open_login_services(settings)
    app.before_request(_begin)
    app.before_request(_limit_forms)
    app.after_request(_end)
    app.register_error_handler(HTTPException, _nothing_there)
    app.register_blueprint(v1.blueprint(services))
    if services.settings.FEATURE_BUILD_SUPPORT:
        app.register_blueprint(webhooks.blueprint())
    v2.mount(app, services)
    for part in _PAGES:
        app.register_blueprint(part.blueprint(services))
    oauth.mount(app, services)
    external_logins.mount(app, services, logins)
    app.register_blueprint(federation.blueprint(services, logins.issuers))
    slots = Slots(settings.WEB_THREADS, crowd=WAITING // 2)
    patience = Patience(settings.BODY_PATIENCE_SEC, settings.BODY_MINIMUM_RATE)
    app.wsgi_app = with_bodies(app.wsgi_app, slots, patience)  # type: ignore[assignment, method-assign]
    if proxies := settings.TRUSTED_PROXIES:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=proxies)  # type: ignore[method-assign]
    return app


def _begin() -> None:
    """Name the request: as the proxy in front has, if that is a name, so that its log and ours can be read together."""
    given = request.headers.get("X-Request-ID", "")
    g.request_id = given if _REQUEST_ID.fullmatch(given) else str(uuid.uuid4())
    request_id.set(g.request_id)


def _limit_forms() -> None:
    """Other bodies have the limits of the surfaces that take them, and so have some forms."""
    if request.mimetype in _FORMS:
        request.max_content_length = LARGEST_FORM


def _end(response: Response) -> Response:
    caller = g.get("caller") or g.get("identity") or g.get("visitor")
    request.environ["drydock.user"] = caller.name if caller else None  # for the access log
    response.headers["X-Request-ID"] = g.request_id
    return response


def _nothing_there(error: HTTPException) -> Response | HTTPException:
    """Answer what no surface's own handler has seen, a path that does not exist above all, as the surface would."""
    if request.path.startswith(("/api/v1/", "/webhooks/")):
        return answer_error(error)
    if request.path.startswith("/v2/"):
        return answer_http(error)
    return error
