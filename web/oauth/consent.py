"""The page on which a person lets an application act for them, or does not (RFC 6749, section 3.1), as Quay's."""

from urllib.parse import urlencode, urlsplit

from flask import Blueprint, Response, request

from models.access import Identity, signed_in_user
from models.assignments import fulfil_assignment
from models.authorizations import has_granted
from models.session import Session
from models.tables import User
from registry.services import Services
from web.errors import answer_errors
from web.oauth.generated import cancelled, hand_over
from web.oauth.requests import Request, answer, find_fault, generate, open_request, origin
from web.oauth.server import Server
from web.page import QUAYS_CSRF_FIELD, TEMPLATES, check_form, leave, page, visitor


def blueprint(services: Services, server: Server) -> Blueprint:
    """`/oauth/authorize`, where applications send browsers, and the two answers that its page can give."""
    pages = Blueprint("oauth_consent", __name__, template_folder=str(TEMPLATES))
    answer_errors(pages, services)

    @pages.get("/oauth/authorize")
    def ask() -> Response:
        caller = visitor(services)
        response = server.reading(lambda session: _ask(services, server, session, caller))
        return response or server.writing(lambda session: _carry_out(services, server, session, caller, consents=True))

    @pages.post("/oauth/authorizeapp")
    def consent() -> Response:
        return _answered(services, server, consents=True)

    @pages.post("/oauth/denyapp")
    def decline() -> Response:
        return _answered(services, server, consents=False)

    return pages


def _ask(services: Services, server: Server, session: Session, caller: Identity) -> Response | None:
    """The page that asks, or what comes before it; None if the person need not be asked again."""
    found = open_request(server, session)
    fault = find_fault(server, found)
    if fault is not None:
        return fault
    here = f"{request.path}?{request.query_string.decode('latin-1')}"
    if caller.is_anonymous:
        return leave("/signin?" + urlencode({"next": here}))
    if _may_skip(session, found, signed_in_user(session, caller)):
        return None
    if _wants_password(found, caller):
        return leave("/signin?" + urlencode({"again": "1", "next": here}))
    application = found.client.application
    return page(
        services,
        "consent.html",
        sends_to=f"'self' {origin(found.redirect_uri)}",
        application=application,
        homepage=application.application_uri if _is_web(application.application_uri) else None,
        organization=application.organization,
        scopes=found.scopes,
        dangerous=_is_dangerous(found),
        target=None if found.local else found.redirect_uri,
        fields=found.fields,
    )


def _is_dangerous(found: Request) -> bool:
    return any(scope.dangerous for scope in found.scopes.values())


def _wants_password(found: Request, caller: Identity) -> bool:
    """Whether the password has to be given once more: a browser left alone must not give away a whole account."""
    return _is_dangerous(found) and not caller.fresh


def _may_skip(session: Session, found: Request, user: User) -> bool:
    """Whether the person has consented to as much before, and the answer goes to a place on the web.

    Another program on the person's machine may answer for any other kind of address (RFC 8252, section 8.6).
    """
    scopes = " ".join(found.scopes)
    on_the_web = not found.local and _is_web(found.redirect_uri)
    return on_the_web and has_granted(session, found.client.application, user, scopes)


def _answered(services: Services, server: Server, *, consents: bool) -> Response:
    check_form(services)
    caller = visitor(services)
    return server.writing(lambda session: _carry_out(services, server, session, caller, consents=consents))


def _carry_out(services: Services, server: Server, session: Session, caller: Identity, *, consents: bool) -> Response:
    user = signed_in_user(session, caller)
    found = open_request(server, session)
    fault = find_fault(server, found)
    if fault is not None:
        return fault
    if consents and _wants_password(found, caller) and not _may_skip(session, found, user):
        return leave("/signin?" + urlencode({"again": "1", "next": f"/oauth/authorize?{urlencode(found.fields)}"}))
    if consents:
        fulfil_assignment(session, found.client.application, user, found.fields.get("assignment_uuid", ""))
    if not found.local or QUAYS_CSRF_FIELD in request.form:  # a program fills in Quay's form and reads the address
        return answer(server, found, user if consents else None)
    return hand_over(services, generate(server, found, user), user) if consents else cancelled()


def _is_web(uri: str) -> bool:
    return urlsplit(uri).scheme in {"http", "https"}
