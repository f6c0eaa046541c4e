"""Whole logs of builds for people with a browser: `/buildlogs/<uuid>`, as in Quay."""

from collections.abc import Iterator

from flask import Blueprint, Response

from models import buildlogs
from models.access import may
from models.builds import find_build
from models.errors import Forbidden, Upstream
from models.tables.repositories import RepositoryRole
from registry.services import Services
from storage.driver import StorageError
from web.errors import answer_errors
from web.page import members_only, visitor


def blueprint(services: Services) -> Blueprint:
    """The one page."""
    page = Blueprint("build_logs", __name__)
    members_only(page, services)
    answer_errors(page, services)

    @page.get("/buildlogs/<uuid>")
    def fetch(uuid: str) -> Response:
        role: RepositoryRole = "read" if services.settings.FEATURE_READER_BUILD_LOGS else "write"
        with services.database.read() as session:
            build = find_build(session, uuid)
            if build is None or not may(session, visitor(services), build.repository, role):
                raise Forbidden("There is no such build, or its log is not for you.")
            job = build.job
        try:
            lines = buildlogs.log_lines(services.redis, job, open_archive=services.storage.open)
        except StorageError as exc:
            raise Upstream("The build's archived log cannot be read from storage now; try again soon.") from exc
        response = Response(_document(lines), mimetype="application/json")
        response.headers["Content-Disposition"] = f'attachment; filename="{job.uuid}.json"'
        response.headers["Cache-Control"] = "private, no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    return page


def _document(lines: Iterator[bytes]) -> Iterator[bytes]:
    """`{"logs": […]}`, while the entries are read."""
    yield b'{"start": 0, "logs": ['
    total = 0
    for line in lines:
        yield b", " + line if total else line
        total += 1
    yield b'], "total": %d}' % total
