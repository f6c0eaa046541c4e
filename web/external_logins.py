"""Signing in by another service: the ways there from our pages, and the pages where it sends browsers back to."""

from flask import Blueprint, Flask, Response, request

from buildworker.openid import LIFE_S, Aim, Flow, LoginServices, cookie_name, open_flow, redirect_uri
from models import app_tokens, external_logins, signin
from models.access import Identity, signed_in_user
from models.errors import DomainError, Forbidden
from models.external_logins import Person
from models.session import Session
from models.tables import User
from registry.services import Services
from registry.session_cookie import cookie_header, flow_header
from web.errors import answer_errors, show_error
from web.page import TEMPLATES, browser, leave, own_path, page, visitor


def mount(app: Flask, services: Services, logins: LoginServices) -> None:
    """Serve the pages of the configured services."""
    pages = Blueprint("external_logins", __name__, template_folder=str(TEMPLATES))
    answer_errors(pages, services)

    @pages.get("/signin/<service_id>")
    def begin(service_id: str) -> Response:
        target = own_path(request.args.get("next"))
        uri = redirect_uri(services.settings, service_id, "login")
        begun = logins.get(service_id).begin(services.database.vault, uri, "login", target=target)
        return leave(begun.url, flow_header(services.settings, begun.cookie, begun.sealed, seconds=LIFE_S))

    @pages.get("/oauth2/<service_id>/callback", defaults={"aim": "login"})
    @pages.get("/oauth2/<service_id>/callback/<any(attach, cli):aim>")
    def come_back(service_id: str, aim: Aim) -> Response:
        cookie = cookie_name(request.args.get("state", ""))
        try:
            answer = _finish(services, logins, service_id, aim)
        except DomainError as exc:
            answer = show_error(services, exc, back="/signin")
        answer.headers.add("Set-Cookie", flow_header(services.settings, cookie, "", seconds=0))
        return answer

    app.register_blueprint(pages)


def _finish(services: Services, logins: LoginServices, service_id: str, aim: Aim) -> Response:
    provider = logins.get(service_id)
    state = request.args.get("state", "")
    sealed = request.cookies.get(cookie_name(state))
    flow = open_flow(services.database.vault, sealed, service=service_id, aim=aim, state=state)
    person = provider.finish(flow, redirect_uri(services.settings, service_id, aim), request.args.to_dict())
    if aim == "attach":
        return _attach(services, flow, person, provider.title)
    return _sign_in(services, flow, person, provider.title)


def _attach(services: Services, flow: Flow, person: Person, title: str) -> Response:
    caller = visitor(services)
    if caller.account_id is None or caller.account_id != flow.account_id:
        raise Forbidden("You are not signed in any more as the user who wanted to attach this login")

    def attach(session: Session) -> None:
        external_logins.attach(session, signed_in_user(session, caller), flow.service, person, actor=caller)

    services.database.apply(attach)
    text = f"From now on you can sign in to the account {caller.name} by {title}."
    return page(services, "told.html", heading="Attached", text=text, target="/", button="To the front page")


def _sign_in(services: Services, flow: Flow, person: Person, title: str) -> Response:
    settings, here = services.settings, browser(services)

    def enter(session: Session) -> tuple[str, str | None, Identity]:
        user = external_logins.find_user(session, flow.service, person) or external_logins.sign_up(
            session, settings, services.superusers, flow.service, person, ip=here.ip
        )
        actor = services.superusers.identify(user).at(here.ip)
        cookie = signin.admit_user(session, settings, user, here, actor=actor, by=flow.service)
        return cookie, _client_token(session, user, title, actor) if flow.aim == "cli" else None, actor

    cookie, token, actor = services.database.apply(enter)
    if token is None:
        return leave(flow.target, cookie_header(settings, cookie, lasting=True))
    response = page(services, "client_token.html", username=actor.name, token=token)
    response.headers.add("Set-Cookie", cookie_header(settings, cookie, lasting=True))
    return response


def _client_token(session: Session, user: User, title: str, actor: Identity) -> str:
    """A password for container clients, which people without one need."""
    token = app_tokens.create_app_token(session, user, f"Container client, by {title}"[:255], actor=actor)
    return app_tokens.code_of(session, token) or ""
