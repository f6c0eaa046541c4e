"""Pages for administrators of organizations: which those are, and a new one."""

from flask import Blueprint, Response, request

from models import organizations
from models.access import administered_organization, signed_in_user
from models.errors import Conflict, Invalid
from models.session import Session
from registry.services import Services
from web.errors import STATUSES, answer_errors
from web.page import TEMPLATES, check_form, leave, members_only, page, visitor


def blueprint(services: Services) -> Blueprint:
    """`/organizations`, and the page of each."""
    pages = Blueprint("organizations", __name__, template_folder=str(TEMPLATES))
    answer_errors(pages, services)
    members_only(pages, services)

    @pages.get("/organizations", strict_slashes=False)
    def show_all() -> Response:
        return _show_all(services)

    @pages.post("/organizations", strict_slashes=False)
    def create() -> Response:
        check_form(services)
        try:
            return leave(f"/organization/{services.database.apply(lambda session: _create(services, session))}")
        except (Invalid, Conflict) as exc:
            return _show_all(services, exc)

    @pages.get("/organization/<orgname>")
    def show(orgname: str) -> Response:
        with services.database.read() as session:
            organization = administered_organization(session, visitor(services), orgname)
            return page(services, "organization.html", organization=organization)

    return pages


def _show_all(services: Services, problem: Invalid | Conflict | None = None) -> Response:
    with services.database.read() as session:
        user = signed_in_user(session, visitor(services))
        found = organizations.administered_by(session, user)
        status = STATUSES[type(problem)][0] if problem else 200
        return page(services, "organizations.html", status=status, organizations=found, problem=problem)


def _create(services: Services, session: Session) -> str:
    caller = visitor(services)
    organization = organizations.create_organization(
        session,
        request.form.get("name", "").strip(),
        owner=signed_in_user(session, caller),
        email=request.form.get("email", "").strip() or None,
        tag_expiration_s=services.settings.default_tag_expiration_s,
        actor=caller,
    )
    return organization.name
