"""Builds as Quay's API shows them; statuses and bodies are those of a real one."""

import gzip
import json
import re
from typing import Any

import pytest

from models import jobs
from models.access import Identity
from models.build_orders import record_logs
from tests.factories.api import Api
from tests.factories.world import make_world

PATH = "/repository/acme/app/build/"
URL = "https://example.com/archive.tar.gz"


@pytest.fixture
def callers(api: Api) -> dict[str, Identity]:
    with api.database.write() as session:
        return make_world(session)


def ask(api: Api, by: str = "owner", **body: Any) -> Any:
    answer = api.post(PATH, {"archive_url": URL, **body}, by=by)
    assert answer.status == 201, answer.text
    return answer.body


def test_a_build_is_shown_as_in_quay(api: Api, callers: dict[str, Identity]) -> None:
    body = {"archive_url": URL, "docker_tags": ["latest", "built"], "subdirectory": "", "pull_robot": "acme+robot"}
    answer = api.post(PATH, body, by="owner")
    assert answer.status == 201
    shown = answer.body
    assert answer.headers["Location"] == f"/api/v1/repository/acme/app/build/{shown['id']}/status"
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d -0000", shown["started"])
    assert {key: value for key, value in shown.items() if key not in {"id", "started", "image_digest"}} == {
        "phase": "waiting",
        "display_name": "996ec73",
        "status": {},
        "subdirectory": "/Dockerfile",
        "dockerfile_path": "/Dockerfile",
        "context": "",
        "tags": ["latest", "built"],
        "manual_user": "owner",
        "is_writer": True,
        "trigger": None,
        "trigger_metadata": {},
        "resource_key": None,
        "pull_robot": {"name": "acme+robot", "kind": "user", "is_robot": True},
        "repository": {"namespace": "acme", "name": "app"},
        "error": None,
        "failure": None,
        "queue": {"position": 1, "priority": 0, "waiting_for": "a free worker"},
        "archive_url": URL,
        "build_args": {},
        "labels": {},
        "target": None,
        "platform": None,
        "inputs": None,
    }
    for path in (f"{PATH}{shown['id']}", f"{PATH}{shown['id']}/status"):
        assert api.get(path, by="owner").body == shown
    assert api.get(PATH, by="owner").body == {"builds": [shown]}


def test_readers_do_not_see_where_the_source_comes_from(api: Api, callers: dict[str, Identity]) -> None:
    uuid = ask(api)["id"]
    shown = api.get(f"{PATH}{uuid}", by="reader").body
    assert (shown["is_writer"], "archive_url" in shown) == (False, False)
    assert "archive_url" in api.get(f"{PATH}{uuid}", by="writer").body


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        ({}, 400, "file_id or archive_url required"),
        ({"archive_url": "ftp://example.com/x.tgz"}, 400, "Invalid Archive URL: Must be http or https"),
        ({"archive_url": "notaurl"}, 400, "Invalid Archive URL: Must be http or https"),
        ({"archive_url": URL, "docker_tags": []}, 400, "docker_tags: expected at least 1 items"),
        ({"archive_url": URL, "docker_tags": "latest"}, 400, "docker_tags: expected a list"),
        ({"archive_url": URL, "docker_tags": ["a", "a"]}, 400, "docker_tags: expected each tag once"),
        ({"archive_url": URL, "pull_robot": "notarobot"}, 403, "Unauthorized"),
        ({"archive_url": URL, "pull_robot": "stranger+robot"}, 403, "Unauthorized"),
        ({"archive_url": URL, "pull_robot": "acme+nosuch"}, 404, "Not Found"),
        ({"file_id": "someid"}, 400, "File someid could not be found or is invalid"),
    ],
)
def test_what_cannot_be_built_is_refused(
    api: Api, callers: dict[str, Identity], body: dict[str, Any], status: int, told: str
) -> None:
    answer = api.post(PATH, body, by="owner")
    assert answer.status == status
    assert answer.body["detail"].startswith(told)


def test_the_list_is_limited(api: Api, callers: dict[str, Identity]) -> None:
    uuids = [ask(api)["id"] for _ in range(6)]
    listed = [build["id"] for build in api.get(PATH, by="owner").body["builds"]]
    assert listed == uuids[:0:-1]
    assert len(api.get(f"{PATH}?limit=2&since=1000", by="owner").body["builds"]) == 2
    assert api.get(f"{PATH}?since=4000000000", by="owner").body == {"builds": []}
    assert len(api.get(f"{PATH}?limit=0&since=-1", by="owner").body["builds"]) == 6
    for query in ("limit=abc", "limit=-1", "since=99999999999999"):
        assert api.get(f"{PATH}?{query}", by="owner").status == 400


def test_missing_builds_are_answered_as_in_quay(api: Api, callers: dict[str, Identity]) -> None:
    missing = f"{PATH}00000000-0000-0000-0000-000000000000"
    assert api.get(missing, by="owner").status == 404
    assert api.delete(missing, by="owner").status == 404
    assert api.get(f"{missing}/status", by="owner").status == 400
    answer = api.get(f"{missing}/logs", by="owner")
    assert (answer.status, answer.body["detail"]) == (
        400,
        "Unable to locate a build by id: 00000000-0000-0000-0000-000000000000",
    )
    uuid = ask(api)["id"]
    assert api.get(f"/repository/acme/public/build/{uuid}", by="owner").status == 404


def test_a_build_is_cancelled_once(api: Api, callers: dict[str, Identity]) -> None:
    uuid = ask(api)["id"]
    assert api.delete(f"{PATH}{uuid}", by="writer").status == 403
    answer = api.delete(f"{PATH}{uuid}", by="owner")
    assert (answer.status, answer.body) == (201, "Okay")
    again = api.delete(f"{PATH}{uuid}", by="owner")
    assert (again.status, again.body["detail"]) == (400, "Build is currently running or has finished")
    assert api.get(f"{PATH}{uuid}", by="owner").body["phase"] == "cancelled"


def finish(api: Api, uuid: str, entries: list[dict[str, Any]]) -> None:
    """Let the build have ended with this log."""
    packed = gzip.compress(b"".join(json.dumps(entry).encode() + b"\n" for entry in entries))
    api.services.storage.write("logs/builds/x", packed)
    with api.database.write() as session:
        lease = jobs.claim(session, uuid, "a worker")
        assert lease is not None
        jobs.finish(session, lease, "error", error="oops")
        record_logs(session, uuid, "logs/builds/x", len(entries))


def test_archived_logs_are_read_from_any_entry_on(api: Api, callers: dict[str, Identity]) -> None:
    uuid = ask(api)["id"]
    entries: list[dict[str, Any]] = [
        {"message": "building", "type": "phase", "data": {"datetime": "2026-01-01 00:00:00"}},
        {"message": "Step 1/2 : FROM scratch", "type": "command"},
        {"message": " ---> Running"},
        {"message": "oops", "type": "error"},
    ]
    finish(api, uuid, entries)
    whole = api.get(f"{PATH}{uuid}/logs", by="writer").body
    assert whole["logs_url"].endswith(f"/api/v1/repository/acme/app/build/{uuid}/logs")
    assert (whole["start"], whole["total"], whole["logs"]) == (0, 4, entries)
    later = api.get(f"{PATH}{uuid}/logs?start=2", by="writer").body
    assert (later["start"], later["total"], later["logs"]) == (2, 4, entries[2:])
    assert api.get(f"{PATH}{uuid}/logs?start=9", by="writer").body["logs"] == []
    assert api.get(f"{PATH}{uuid}/logs?start=-1", by="writer").status == 400
    assert api.get(f"{PATH}{uuid}", by="writer").body["error"] == "oops"


def test_logs_are_for_writers(api: Api, callers: dict[str, Identity]) -> None:
    uuid = ask(api)["id"]
    finish(api, uuid, [{"message": "secret"}])
    assert api.get(f"{PATH}{uuid}/logs", by="reader").status == 403
    assert api.get(f"{PATH}{uuid}/logs", by="writer").status == 200


def test_a_log_that_storage_lost_is_no_mistake_of_the_caller(api: Api, callers: dict[str, Identity]) -> None:
    uuid = ask(api)["id"]
    finish(api, uuid, [{"message": "gone"}])
    api.services.storage.delete(["logs/builds/x"])
    assert api.get(f"{PATH}{uuid}/logs", by="writer").status == 503


def test_a_long_log_comes_in_parts(api: Api, callers: dict[str, Identity]) -> None:
    uuid = ask(api)["id"]
    finish(api, uuid, [{"message": str(number)} for number in range(20_001)])
    first = api.get(f"{PATH}{uuid}/logs", by="writer").body
    rest = api.get(f"{PATH}{uuid}/logs?start={len(first['logs'])}", by="writer").body
    assert (first["total"], len(first["logs"])) == (20_001, 20_000)
    assert rest["logs"] == [{"message": "20000"}]
