"""What gunicorn tells of itself and of every request: our log lines, and the request metrics.

It is the server that knows when the last byte of an answer has left, and how many there were.
"""

import logging
import sys
from datetime import timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from gunicorn.config import Config  # type: ignore[import-untyped]
from gunicorn.glogging import Logger  # type: ignore[import-untyped]

from cli.logs import fields
from models import metrics
from models.redaction import redacted

_log = logging.getLogger("gunicorn.access")

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

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """A client that stalls (STALLED_S in gunicorn.conf.py) is not an error of ours, and worth no traceback."""
        if isinstance(sys.exception(), BlockingIOError):
            self.error_log.info("a client was given up: it sent nothing for too long")
        else:
            self.error_log.exception(msg, *args, **kwargs)

    def warning(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """A client that speaks no HTTP is told so; docker tries TLS first at every registry on this machine."""
        level = logging.DEBUG if msg.startswith("Invalid request from ip=") else logging.WARNING
        self.error_log.log(level, msg, *args, **kwargs)

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:
        """Tell and count a request that went gunicorn's way."""
        method = environ.get("REQUEST_METHOD", "")
        write_line(
            method=method,
            path=environ.get("PATH_INFO", ""),
            status=getattr(resp, "status_code", None) or 500,
            seconds=request_time.total_seconds(),
            size=0 if method == "HEAD" else resp.sent or resp.response_length or 0,  # sendfile counts nothing
            user=environ.get("drydock.user"),
            ip=environ.get("REMOTE_ADDR"),
            agent=environ.get("HTTP_USER_AGENT", ""),
        )


def write_line(
    *, method: str, path: str, status: int, seconds: float, size: int, user: str | None, ip: str | None, agent: str
) -> None:
    """Write the line of one request, without its query and the other secrets that its URL may hold, and count it.

    `seconds` until its last byte had left, `size` of the answer's body in bytes.
    """
    metrics.request_finished(surface(path), method, status, seconds)
    level = logging.DEBUG if path in _PROBES and status < 400 else logging.INFO
    if not _log.isEnabledFor(level):
        return
    told = fields(
        method=method,
        path=_shown(path),
        status=status,
        ms=round(seconds * 1000, 1),
        bytes=size,
        user=user,
        ip=ip,
        agent=agent[:100],
    )
    _log.log(level, "request", extra=told)


@lru_cache(300)
def surface(path: str) -> str:
    """Which part of the product answers at a path; one of a few words, fit to be counted by."""
    if path in _PROBES:
        return "probe"
    return next((name for prefix, name in _SURFACES if f"{path}/".startswith(prefix)), "web")


@lru_cache(300)
def _shown(path: str) -> str:
    return quote(redacted(path).encode("latin-1", "replace"), safe="/:@+,;=~*!$'()&")[:LONGEST_PATH]
