"""How every process writes its log: one line each to standard error, for people or as JSON, with the request's id."""

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from config.settings import Settings

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that this thread works on, until the next one begins."""

# At DEBUG these write requests with their headers and signatures, Authlib the tokens that it hands out.
_TALKATIVE = ("authlib", "botocore", "boto3", "s3transfer", "urllib3", "docker", "rq.scheduler", "alembic", "asyncio")


def configure_logging(settings: Settings, role: str) -> None:
    """Write the log of this process, `role`, as the settings say; replaces what was configured before."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(role) if settings.LOG_FORMAT == "json" else TextFormatter(role))
    handler.addFilter(_note_request)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.LOG_LEVEL)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(True)
    # What no line tells need not be found out for each.
    logging._srcfile = None  # noqa: SLF001  the way that logging's manual tells
    logging.logThreads = logging.logMultiprocessing = False


def fields(**values: Any) -> dict[str, Any]:
    """For `extra=` of a log call: values that JSON shows one by one and text as `name=value` after the message."""
    return {"fields": {name: value for name, value in values.items() if value is not None}}


class TextFormatter(logging.Formatter):
    """`2026-01-31 12:00:00.000 INFO web[123] message name=value (request id)`."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        shown = [_one_line(record.getMessage())]
        shown += [f"{name}={_shown(value)}" for name, value in getattr(record, "fields", {}).items()]
        if getattr(record, "request_id", ""):
            shown.append(f"({record.request_id})")  # type: ignore[attr-defined]
        time = f"{_second(int(record.created))}.{int(record.msecs):03d}"
        line = f"{time} {record.levelname} {self._role}[{record.process}] {' '.join(shown)}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": _time(record).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "role": self._role,
            "pid": record.process,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if getattr(record, "request_id", ""):
            entry["request_id"] = record.request_id  # type: ignore[attr-defined]
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def _note_request(record: logging.LogRecord) -> bool:
    record.request_id = request_id.get()
    return True


def _time(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


@lru_cache(maxsize=2)
def _second(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d %H:%M:%S}"


def _one_line(text: str) -> str:
    """What a caller sent must not look like a line of its own, nor steer a terminal."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _shown(value: object) -> str:
    return _quoted(str(value))


@lru_cache(300)  # most of what lines tell has been told before
def _quoted(text: str) -> str:
    text = _one_line(text)
    return json.dumps(text, ensure_ascii=False) if not text or " " in text or '"' in text else text
