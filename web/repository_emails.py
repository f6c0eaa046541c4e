"""The page by which whoever reads an address agrees to be told of a repository there.

Opening the link changes nothing, since programs that look for dangers in mail open links, too; the page's button does.
"""

from flask import Blueprint, Response, request

from models import repository_emails
from models.repository_emails import get_asked
from registry.services import Services
from web.errors import answer_errors
from web.page import TEMPLATES, check_form, page

PATH = "/authrepoemail"
LONGEST_CODE = 255


def blueprint(services: Services) -> Blueprint:
    """The page at Quay's path, where mail is sent."""
    pages = Blueprint("repository_emails", __name__, template_folder=str(TEMPLATES))
    answer_errors(pages, services)
    if not services.settings.FEATURE_MAILING:
        return pages

    @pages.get(PATH)
    def ask() -> Response:
        code = _code(request.args.get("code"))
        with services.database.read() as session:
            row = get_asked(session, code)
            return page(services, "repository_email.html", code=code, email=row.email, path=row.repository.path)

    @pages.post(PATH)
    def agree() -> Response:
        check_form(services)
        with services.database.write() as session:
            row = repository_emails.confirm(session, _code(request.form.get("code")))
        text = f"What happens in {row.repository.path} may be told to {row.email}."
        return page(services, "told.html", heading="Agreed", text=text)

    return pages


def _code(given: str | None) -> str:
    return (given or "")[:LONGEST_CODE].replace("\0", "")
