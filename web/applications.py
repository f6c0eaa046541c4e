"""Pages for administrators of organizations: their OAuth applications, and tokens that they generate there."""

from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, request

from models import applications
from models.access import administered_organization
from models.errors import Invalid
from models.scopes import SCOPES
from models.session import Session
from models.tables import OAuthApplication
from registry.services import Services
from web.errors import answer_errors
from web.oauth.server import LOCAL_PATH
from web.page import TEMPLATES, check_form, leave, members_only, page, visitor


def blueprint(services: Services) -> Blueprint:
    """From an organization's applications to a token, as the guide to Quay's API leads."""
    pages = Blueprint("applications", __name__, template_folder=str(TEMPLATES))
    answer_errors(pages, services)
    members_only(pages, services)

    @pages.get("/organization/<orgname>/applications")
    def show_all(orgname: str) -> Response:
        return _show_all(services, orgname)

    @pages.post("/organization/<orgname>/applications")
    def create(orgname: str) -> Response:
        check_form(services)
        try:
            made = services.database.apply(lambda session: _create(services, session, orgname))
            return leave(f"/organization/{orgname}/application/{made.client_id}")
        except Invalid as exc:
            return _show_all(services, orgname, exc)

    @pages.get("/organization/<orgname>/application/<client_id>")
    def show(orgname: str, client_id: str) -> Response:
        return _show(services, "application.html", orgname, client_id)

    @pages.get("/organization/<orgname>/application/<client_id>/token")
    def generate(orgname: str, client_id: str) -> Response:
        chosen = [name for name in SCOPES if name in request.args.getlist("scope")]
        if chosen:
            return leave(f"/oauth/authorize?{_asked(client_id, chosen)}")
        missing = "generate" in request.args
        return _show(services, "generate.html", orgname, client_id, scopes=SCOPES, missing=missing)

    @pages.get("/organization/<orgname>/application/<client_id>/assign")
    def assign(orgname: str, client_id: str) -> Response:
        assigned, shown_at = request.args.get("assigned"), _local_uri()
        return _show(
            services, "assign.html", orgname, client_id, scopes=SCOPES, redirect_uri=shown_at, assigned=assigned
        )

    return pages


def _show_all(services: Services, orgname: str, problem: Invalid | None = None) -> Response:
    with services.database.read() as session:
        organization = administered_organization(session, visitor(services), orgname)
        found = applications.list_applications(session, organization)
        return page(
            services,
            "applications.html",
            status=400 if problem else 200,
            organization=organization,
            applications=found,
            problem=problem,
        )


def _create(services: Services, session: Session, orgname: str) -> OAuthApplication:
    caller = visitor(services)
    organization = administered_organization(session, caller, orgname)
    name = request.form.get("name", "").strip()
    return applications.create_application(session, organization, name, actor=caller)


def _show(services: Services, template: str, orgname: str, client_id: str, **values: Any) -> Response:
    with services.database.read() as session:
        organization = administered_organization(session, visitor(services), orgname)
        application = applications.get_application(session, organization, client_id)
        return page(services, template, organization=organization, application=application, **values)


def _local_uri() -> str:
    """The page that shows tokens, by the name that the browser knows us by."""
    return f"{request.host_url.rstrip('/')}{LOCAL_PATH}"


def _asked(client_id: str, scopes: list[str]) -> str:
    """The request for a token that is shown to the person who consents."""
    return urlencode(
        {
            "response_type": "token",
            "client_id": client_id,
            "redirect_uri": _local_uri(),
            "scope": " ".join(scopes),
        }
    )
