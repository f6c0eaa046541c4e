"""Where exported logs are fetched: the address is the secret."""

from collections.abc import Iterator
from typing import BinaryIO

from flask import Blueprint, Response, jsonify
from werkzeug.exceptions import NotFound

from models import log_exports
from models.tables import LogExport
from models.tables.base import now
from registry.services import Services
from storage.driver import NotFound as NothingThere

BLOCK = 1 << 20
RETRY_AFTER_S = 5
_UUID = 36


def blueprint(services: Services) -> Blueprint:
    """The one page."""
    page = Blueprint("exports", __name__)

    @page.get("/exportedlogs/<name>")
    def fetch(name: str) -> Response:
        uuid, key = name[:_UUID], name[_UUID + 1 :]
        if not log_exports.opens(services.settings, uuid, key):
            raise NotFound
        with services.database.read() as session:
            export = log_exports.find_export(session, uuid)
        if export is None or (export.expires_at is not None and export.expires_at <= now()):
            raise NotFound
        return _answer(services, export)

    return page


def _answer(services: Services, export: LogExport) -> Response:
    if export.status is None:
        response = jsonify({"export_id": export.uuid, "status": "waiting"})
        response.status_code = 202
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    elif export.status != "success":
        response = jsonify({"export_id": export.uuid, "status": export.status, "error": export.error})
        response.status_code = 410
    else:
        response = _file(services, export)
    response.headers["Cache-Control"] = "private, no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _file(services: Services, export: LogExport) -> Response:
    try:
        stream = services.storage.open(log_exports.path_of(export.uuid))
    except NothingThere as exc:
        raise NotFound from exc
    response = Response(_blocks(stream), mimetype="application/json", direct_passthrough=True)
    response.headers["Content-Length"] = str(export.size)
    response.headers["Content-Disposition"] = f'attachment; filename="logs-{export.uuid}.json"'
    response.call_on_close(stream.close)
    return response


def _blocks(stream: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: stream.read(BLOCK), b"")
