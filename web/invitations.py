"""The page that an invitation to a team leads to."""

from urllib.parse import urlencode

from flask import Blueprint, Response, request

from models import invitations
from models.access import signed_in_user
from registry.services import Services
from web.errors import answer_errors
from web.page import TEMPLATES, check_form, leave, page, visitor

PATH = "/confirminvite"
LONGEST_CODE = 255


def blueprint(services: Services) -> Blueprint:
    """Asks whoever signs in whether to join, as at Quay's path."""
    pages = Blueprint("invitations", __name__, template_folder=str(TEMPLATES))
    answer_errors(pages, services)

    @pages.get(PATH)
    def ask() -> Response:
        code = request.args.get("code", "")[:LONGEST_CODE]
        caller = visitor(services)
        if caller.is_anonymous:
            return leave("/signin?" + urlencode({"next": f"{PATH}?{urlencode({'code': code})}"}))
        with services.database.read() as session:
            invitation = invitations.get_invitation(session, signed_in_user(session, caller), code)
            return page(services, "invitation.html", code=code, team=invitation.team, inviter=invitation.inviter)

    @pages.post(PATH)
    def answer() -> Response:
        check_form(services)
        caller, code = visitor(services), request.form.get("code", "")[:LONGEST_CODE]
        with services.database.write() as session:
            user = signed_in_user(session, caller)
            if request.form.get("answer") != "join":
                invitations.decline(session, user, code, actor=caller)
                return leave("/")
            team = invitations.accept(session, user, code, actor=caller)
            return page(services, "joined.html", team=team)

    return pages
