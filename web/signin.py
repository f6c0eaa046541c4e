"""Pages to sign in and out, and the CSRF token for scripts."""

from urllib.parse import parse_qs

from flask import Blueprint, Response, jsonify, request

from models import signin
from models.errors import Forbidden, TooMany, Unauthenticated, Unconfirmed
from models.sessions import new_value
from registry.services import Services
from registry.session_cookie import cookie_header, csrf_token, read_cookie, removal_header
from web import invitations
from web.errors import STATUSES, answer_errors
from web.page import TEMPLATES, browser, check_form, leave, own_path, page, visitor

LONGEST_NAME = 255


def blueprint(services: Services) -> Blueprint:
    """The pages, and `/csrf_token` as in Quay."""
    pages = Blueprint("signin", __name__, template_folder=str(TEMPLATES))
    answer_errors(pages, services)

    @pages.get("/signin", strict_slashes=False)
    def show() -> Response:
        target = own_path(request.args.get("next"))
        caller = visitor(services)
        stale = "again" in request.args and not caller.fresh  # what comes next wants the password to be given anew
        if not caller.is_anonymous and not stale:
            return leave(target)
        return _form(services, target, username=caller.name or "")

    @pages.post("/signin", strict_slashes=False)
    def sign_in() -> Response:
        check_form(services)
        return _sign_in(services, own_path(request.form.get("next")))

    @pages.get("/signout", strict_slashes=False)
    def ask() -> Response:
        return page(services, "signout.html")

    @pages.post("/signout", strict_slashes=False)
    def sign_out() -> Response:
        check_form(services)
        return _sign_out(services)

    @pages.get("/csrf_token")
    def token() -> Response:
        settings = services.settings
        known = read_cookie(settings)
        value = known or new_value()
        answer = jsonify(csrf_token=csrf_token(settings, value))
        answer.headers["Cache-Control"] = "no-store"
        if known is None:
            answer.headers["Set-Cookie"] = cookie_header(settings, value)
        return answer

    return pages


def _form(
    services: Services,
    target: str,
    *,
    status: int = 200,
    username: str = "",
    problem: str = "",
    unconfirmed: bool = False,
) -> Response:
    # Browsers hold a form's policy against the redirects after it, and that page may lead on to an application.
    sends_to = "*" if target.startswith("/oauth/") else "'self'"
    return page(
        services,
        "signin.html",
        status=status,
        sends_to=sends_to,
        next=target,
        username=username,
        problem=problem,
        unconfirmed=unconfirmed,
        by_password=services.settings.FEATURE_DIRECT_LOGIN,
        by_mail=services.settings.FEATURE_MAILING,
        login_services={
            name: config.SERVICE_NAME or name.title() for name, config in services.settings.login_services.items()
        },
    )


def _sign_in(services: Services, target: str) -> Response:
    settings = services.settings
    if not settings.FEATURE_DIRECT_LOGIN:
        raise Forbidden("Nobody signs in by password here")
    username, password = request.form.get("username", "").strip(), request.form.get("password", "")
    if len(username) > LONGEST_NAME or "\0" in username:
        return _form(services, target, status=401, problem="Invalid Username or Password")
    try:
        cookie = signin.sign_in(
            services.database,
            services.superusers,
            settings,
            browser(services),
            username=username,
            password=password,
            invite_code=_invite_code(target),
        )
    except (Unauthenticated, TooMany) as exc:
        status, unconfirmed = STATUSES[type(exc)][0], isinstance(exc, Unconfirmed)
        response = _form(
            services, target, status=status, username=username, problem=exc.detail, unconfirmed=unconfirmed
        )
        if isinstance(exc, TooMany) and exc.retry_after is not None:
            response.headers["Retry-After"] = str(exc.retry_after)
        return response
    return leave(target, cookie_header(settings, cookie, lasting=True))


def _invite_code(target: str) -> str | None:
    """The code of the invitation that brought the person here: who has it reads the mail at the address invited."""
    page_asked, _, query = target.partition("?")
    return parse_qs(query).get("code", [None])[0] if page_asked == invitations.PATH else None


def _sign_out(services: Services) -> Response:
    settings = services.settings
    cookie, caller = read_cookie(settings), visitor(services)
    if cookie is not None:
        with services.database.write() as session:
            signin.sign_out(session, settings, cookie, actor=caller)
    return leave("/", removal_header(settings))
