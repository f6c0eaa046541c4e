"""What gunicorn tells of itself and of every request: our log lines, and the request metrics.

It is the server that knows when the last byte of an answer has left, and how many there were.
"""

import logging
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from gunicorn.config import Config  # type: ignore[import-untyped]
from gunicorn.glogging import Logger  # type: ignore[import-untyped]

from cli.logs import fields
from models import metrics

LONGEST_PATH = 500
_SURFACES = (("/v2/", "registry"), ("/api/", "api"), ("/webhooks/", "webhooks"))
_PROBES = frozenset({"/health/instance", "/health/endtoend", "/metrics"})


class AccessLog(Logger):  # type: ignore[misc]
    """Gunicorn's logger, writing through ours."""

    def setup(self, cfg: Config) -> None:
        """Let everything go the way of all log lines; `configure_logging` in gunicorn.conf.py has set that up."""
        for log in (self.error_log, self.access_log):
            log.handlers.clear()
            log.propagate = True

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:
        """Write the line of one request, without its query, which may hold secrets, and count it."""
        path, seconds = environ.get("PATH_INFO", ""), request_time.total_seconds()
        method, status = environ.get("REQUEST_METHOD", ""), getattr(resp, "status_code", None) or 500
        metrics.request_finished(surface(path), method, status, seconds)
        quiet = path in _PROBES and status < 400
        self.access_log.log(
            logging.DEBUG if quiet else logging.INFO,
            "request",
            extra=fields(
                method=method,
                path=_quoted(path),
                status=status,
                ms=round(seconds * 1000, 1),
                bytes=0 if method == "HEAD" else resp.sent or resp.response_length or 0,  # sendfile counts nothing
                user=environ.get("drydock.user"),
                ip=environ.get("REMOTE_ADDR"),
                agent=environ.get("HTTP_USER_AGENT", "")[:100],
            ),
        )


def surface(path: str) -> str:
    """Which part of the product answers at a path; one of a few words, fit to be counted by."""
    if path in _PROBES:
        return "probe"
    return next((name for prefix, name in _SURFACES if f"{path}/".startswith(prefix)), "web")


def _quoted(path: str) -> str:
    return quote(path.encode("latin-1", "replace"), safe="/:@+,;=~*!$'()&")[:LONGEST_PATH]
