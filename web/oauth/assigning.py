"""POST /oauth/authorize/assignuser: an administrator prepares a token that a user gets by consenting, as in Quay."""

from urllib.parse import quote, urlencode

from flask import Blueprint, Response, jsonify, request

from models.access import Identity, administers, signed_in_user
from models.applications import shown_application
from models.assignments import assign_token, list_assignments
from models.errors import Forbidden, Invalid
from models.session import Session
from models.tables import OAuthApplication, Organization, TokenAssignment
from models.users import get_user
from registry.services import Services
from web.errors import answer_errors
from web.oauth.clients import Client
from web.oauth.requests import RESPONSE_TYPES
from web.oauth.server import Server
from web.page import TEMPLATES, check_form, leave, members_only, page, visitor


def blueprint(services: Services, server: Server) -> Blueprint:
    """The parameters are those of /oauth/authorize and `username`, in the form or, as Quay's pages do, the URL."""
    pages = Blueprint("oauth_assigning", __name__, template_folder=str(TEMPLATES))
    answer_errors(pages, services)
    members_only(pages, services)

    @pages.get("/oauth/assigned")
    def show() -> Response:
        caller = visitor(services)
        with services.database.read() as session:
            found = list_assignments(session, signed_in_user(session, caller))
            return page(services, "assigned.html", assigned=[(row, _path_of(row)) for row in found])

    @pages.post("/oauth/authorize/assignuser")
    def assign() -> Response:
        check_form(services)
        caller = visitor(services)
        if caller.is_anonymous:
            raise caller.refuse()
        back = server.writing(lambda session: _assign(server, session, caller))
        if request.values.get("format") == "json":
            return jsonify(message="Token assigned successfully")
        return leave(back)

    return pages


def _assign(server: Server, session: Session, caller: Identity) -> str:
    """Prepare the token; the page that the administrator came from."""
    given = request.values
    application = shown_application(session, given.get("client_id", ""))
    organization = application.organization
    if organization is None or not administers(session, caller, organization):
        raise Forbidden("Only administrators of the application's organization assign its tokens")
    user = get_user(session, given.get("username", ""))
    redirect_uri, response_type = given.get("redirect_uri", ""), given.get("response_type", "token")
    _check(server, Client(session, application, server.own_uris()), redirect_uri, response_type)
    assign_token(
        session,
        application,
        user,
        " ".join(given.getlist("scope")),
        redirect_uri=redirect_uri,
        response_type=response_type,
        actor=caller,
    )
    return f"{_page_of(organization, application)}?assigned={quote(user.name)}"


def _check(server: Server, client: Client, redirect_uri: str, response_type: str) -> None:
    if response_type not in RESPONSE_TYPES or (redirect_uri in server.own_uris() and response_type != "token"):
        raise Invalid("response_type: expected token, or code where the address is the application's own")
    if not client.check_redirect_uri(redirect_uri):
        raise Invalid("redirect_uri: expected the address that is registered for the application")


def _page_of(organization: Organization, application: OAuthApplication) -> str:
    return f"/organization/{organization.name}/application/{application.client_id}/assign"


def _path_of(row: TokenAssignment) -> str:
    """Where the user consents to what was assigned."""
    asked = {
        "response_type": row.response_type,
        "client_id": row.application.client_id,
        "redirect_uri": row.redirect_uri,
        "scope": row.scopes,
        "assignment_uuid": row.uuid,
    }
    return f"/oauth/authorize?{urlencode(asked)}"
