"""The page at `/`: what this is, the first three things to do with it, and who is signed in."""

from flask import Blueprint, Response

from registry.services import Services
from web.page import TEMPLATES, page


def blueprint(services: Services) -> Blueprint:
    """The pages that need no account."""
    pages = Blueprint("pages", __name__, template_folder=str(TEMPLATES))

    @pages.get("/")
    def front() -> Response:
        return page(services, "front.html")

    return pages
