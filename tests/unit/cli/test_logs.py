import json
import logging
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config  # type: ignore[import-untyped]

from cli.access_log import AccessLog, surface
from cli.logs import configure_logging, fields, request_id
from config.settings import Settings

Capture = pytest.CaptureFixture[str]


def test_text_is_one_line_whatever_a_caller_sends(log: logging.Logger, capsys: Capture) -> None:
    configure_logging(Settings(), "web")
    request_id.set("abc")
    log.info("a message\nERROR serve[1] forged \x1b[31m", extra=fields(path="/a b", user=None, n=3))

    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith('a message\\nERROR serve[1] forged \\x1b[31m path="/a b" n=3 (abc)')
    assert " INFO web[" in line
    request_id.set("")


def test_json_has_the_fields_one_by_one(log: logging.Logger, capsys: Capture) -> None:
    configure_logging(Settings(LOG_FORMAT="json"), "worker")
    try:
        int("why")
    except ValueError:
        log.exception("it failed", extra=fields(job="j1"))

    entry = json.loads(capsys.readouterr().err)
    assert entry["message"] == "it failed"
    assert (entry["level"], entry["role"], entry["job"]) == ("ERROR", "worker", "j1")
    assert "ValueError: invalid literal" in entry["exception"]
    assert "request_id" not in entry


def test_libraries_that_write_secrets_when_debugging_never_debug(log: logging.Logger, capsys: Capture) -> None:
    configure_logging(Settings(LOG_LEVEL="DEBUG"), "web")
    logging.getLogger("botocore.auth").debug("Authorization: secret")
    logging.getLogger("urllib3.connectionpool").debug("GET /?X-Amz-Signature=secret")
    log.debug("ours")

    assert "secret" not in (err := capsys.readouterr().err)
    assert "ours" in err


def access(capsys: Capture, *, sent: int = 10, user: str | None = None, **environ: Any) -> dict[str, Any]:
    configure_logging(Settings(LOG_FORMAT="json"), "web")
    request = {"REQUEST_METHOD": "GET", "PATH_INFO": "/v2/", "QUERY_STRING": "", "REMOTE_ADDR": "192.0.2.7"}
    answer = SimpleNamespace(status_code=200, sent=sent, response_length=99)
    AccessLog(Config()).access(answer, None, request | environ | {"drydock.user": user}, timedelta(milliseconds=12))
    lines = capsys.readouterr().err.splitlines()
    return json.loads(lines[-1]) if lines else {}


def test_a_request_is_told_without_its_query_and_credentials(log: logging.Logger, capsys: Capture) -> None:
    entry = access(
        capsys,
        QUERY_STRING="token=secret",
        RAW_URI="/v2/?token=secret",
        HTTP_AUTHORIZATION="Bearer secret",
        user="ann",
    )

    assert "secret" not in json.dumps(entry)
    assert (entry["method"], entry["path"], entry["status"], entry["ms"]) == ("GET", "/v2/", 200, 12.0)
    assert (entry["user"], entry["ip"], entry["bytes"]) == ("ann", "192.0.2.7", 10)


def test_a_path_cannot_break_the_line_or_fill_the_disk(log: logging.Logger, capsys: Capture) -> None:
    entry = access(capsys, PATH_INFO="/v2/\n\x1b" + "x" * 5000)

    assert entry["path"].startswith("/v2/%0A%1Bxxx")
    assert len(entry["path"]) == 500


def test_a_token_in_a_path_is_not_told(log: logging.Logger, capsys: Capture) -> None:
    assert access(capsys, PATH_INFO="/api/v1/repository/a/tokens/tokens/SECRET")["path"].endswith("/tokens/tokens/***")
    assert access(capsys, PATH_INFO="/v2/a/tokens/b")["path"] == "/v2/a/tokens/b"
    assert access(capsys, PATH_INFO="/exportedlogs/SECRET")["path"] == "/exportedlogs/***"
    assert access(capsys, PATH_INFO="/api/v1/teaminvite/SECRET")["path"] == "/api/v1/teaminvite/***"


def test_bytes_are_those_that_left_the_server(log: logging.Logger, capsys: Capture) -> None:
    assert access(capsys, sent=0)["bytes"] == 99  # by sendfile, which counts nothing
    assert access(capsys, sent=0, REQUEST_METHOD="HEAD")["bytes"] == 0


def test_probes_that_succeed_are_not_worth_a_line(log: logging.Logger, capsys: Capture) -> None:
    assert access(capsys, PATH_INFO="/health/instance") == {}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v2", "registry"),
        ("/v2/a/b/blobs/uploads/", "registry"),
        ("/api/v1/user/", "api"),
        ("/webhooks/push/trigger/x", "webhooks"),
        ("/metrics", "probe"),
        ("/", "web"),
        ("/v2x", "web"),
    ],
)
def test_each_path_belongs_to_a_surface(path: str, name: str) -> None:
    assert surface(path) == name
