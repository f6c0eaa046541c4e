"""Build triggers as recorded from Quay, what is ours beside it, and the deliveries that start builds."""

from typing import Any

import pytest
from sqlalchemy import func, select, update

from models.tables import Build, LogEntry, Trigger
from models.triggers import count_result
from tests.factories.api import Api
from tests.factories.triggers import (
    CONFIG,
    GIT,
    PAYLOAD,
    SHA,
    TRIGGERS,
    active,
    builds_of,
    create,
    credential,
    deliver,
    write_token,
)

TRIGGER = {
    "id", "service", "is_active", "build_source", "repository_url", "config", "can_invoke", "enabled",
    "disabled_reason",
}  # fmt: skip
BUILD = {
    "id", "phase", "started", "display_name", "status", "subdirectory", "dockerfile_path", "context", "tags",
    "manual_user", "is_writer", "trigger", "trigger_metadata", "resource_key", "pull_robot", "repository", "error",
}  # fmt: skip


def test_a_trigger_from_creation_to_deletion(api: Api) -> None:
    made = api.post(TRIGGERS, {"service": "custom-git", "config": {"build_source": GIT}}, by="owner")
    assert made.status == 201
    assert made.body.keys() >= TRIGGER
    assert (made.body["is_active"], made.body["build_source"]) == (False, GIT)
    url = f"{TRIGGERS}{made.body['id']}"
    early = api.put(url, {"enabled": False}, by="owner")
    assert (early.status, early.body["detail"]) == (400, "Cannot update an unactivated trigger")
    assert api.post(f"{url}/start", {"commit_sha": SHA}, by="owner").status == 400

    shown = api.post(f"{url}/activate", {"config": CONFIG, "pull_robot": "acme+robot"}, by="owner")

    assert shown.status == 200
    assert shown.body["pull_robot"] == {"name": "acme+robot", "kind": "user", "is_robot": True}
    assert credential(shown.body, "SSH Public Key").startswith("ssh-ed25519 ")
    assert credential(shown.body, "Webhook Endpoint URL").endswith(f"/webhooks/push/trigger/{made.body['id']}")
    assert api.get(url, by="owner").body == shown.body
    assert api.get(TRIGGERS, by="owner").body == {"triggers": [shown.body]}
    again = api.post(f"{url}/activate", {"config": {"build_source": GIT}}, by="owner")
    assert (again.status, again.body["detail"]) == (400, "Trigger config is not sufficient for activation.")
    off = api.put(url, {"enabled": False}, by="owner")
    assert (off.status, off.body["enabled"], off.body["disabled_reason"]) == (200, False, "user_toggled")
    assert (off.body["build_source"], off.body["config"], off.body["can_invoke"]) == (None, {}, False)
    assert off.body.keys() == TRIGGER
    idle = api.post(f"{url}/start", {"commit_sha": SHA}, by="owner")
    assert (idle.status, idle.body["detail"]) == (400, "Trigger is not enabled.")
    assert api.delete(url, by="owner").status == 204
    assert api.get(url, by="owner").status == 404
    assert kinds(api) == ["setup_repo_trigger", "toggle_repo_trigger", "delete_repo_trigger"]


def kinds(api: Api) -> list[str]:
    with api.database.read() as session:
        query = select(LogEntry.kind).where(LogEntry.kind.contains("trigger")).order_by(LogEntry.id)
        return list(session.scalars(query))


def test_a_build_started_by_hand_has_the_recorded_form(api: Api) -> None:
    trigger = active(api)
    answer = api.post(f"{TRIGGERS}{trigger['id']}/start", {"commit_sha": SHA}, by="owner")
    assert answer.status == 201, answer.text
    build = answer.body
    assert build.keys() >= BUILD
    assert answer.headers["Location"].endswith(f"/build/{build['id']}/status")
    assert (build["display_name"], build["tags"], build["phase"]) == ("0123456", ["0123456"], "waiting")
    assert build["trigger_metadata"] == {"commit": SHA, "git_url": GIT}
    assert build["manual_user"] == "owner"
    assert build["trigger"] == trigger
    assert builds_of(api, trigger) == [build]
    readers = api.get(f"/repository/acme/app/build/{build['id']}", by="reader").body
    assert (readers["trigger"]["config"], readers["trigger"]["build_source"]) == ({}, None)


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({}, "missing required parameter"),
        ({"branch_name": "master"}, "missing required parameter"),
        ({"refs": {"kind": "branch", "name": "master"}}, "missing required parameter"),
        ({"commit_sha": "xyz"}, "'xyz' does not match '^([A-Fa-f0-9]{7,})$'"),
        ({"commit_sha": 5}, "commit_sha: expected a string, got 5"),
        ({"refs": {"kind": "bogus", "name": "x"}}, "refs.kind: expected one of 'branch' or 'tag', got 'bogus'"),
    ],
)
def test_bad_starts(api: Api, body: Any, detail: str) -> None:
    trigger = active(api)
    answer = api.post(f"{TRIGGERS}{trigger['id']}/start", body, by="owner")
    assert (answer.status, answer.body["detail"]) == (400, detail)
    assert builds_of(api, trigger) == []


@pytest.mark.parametrize(
    ("service", "config", "detail"),
    [
        ("custom-git", {}, "build_source: this field is required"),
        ("custom-git", {"build_source": "file:///etc"}, "build_source: expected an address"),
        ("custom-git", {"build_source": "https://me:secret@git.example.com/a"}, "without credentials"),
        ("custom-git", {"build_source": "git@x:a", "branchtag_regex": "("}, "branchtag_regex: expected a regular"),
        (
            "custom-git",
            {"build_source": "git@x:a", "dockerfile_path": "../x"},
            "dockerfile_path: expected a path inside",
        ),
        ("custom-git", {"build_source": "git@x:a", "tag_templates": "x"}, "tag_templates: 'x' is not of type 'array'"),
        ("custom-git", {"build_source": "git@x:a", "subdir": "../x"}, "subdir: expected a path inside"),
        ("custom-git", {"build_source": "git@x:a", "subdir": 5}, "subdir: 5 is not of type"),
        ("gitea", {"build_source": "a/b", "base_url": "https://[x"}, "base_url: expected an address"),
        ("github", {"build_source": "not-a-slug"}, "build_source: expected the repository's path"),
        ("gitea", {"build_source": "owner/name"}, "base_url: a trigger of gitea needs"),
    ],
)
def test_configurations_that_do_not_do(api: Api, service: str, config: Any, detail: str) -> None:
    made = create(api, service)
    answer = api.post(f"{TRIGGERS}{made}/activate", {"config": config}, by="owner")
    assert answer.status == 400
    assert detail in answer.body["detail"]
    assert api.get(f"{TRIGGERS}{made}", by="owner").body["is_active"] is False


@pytest.mark.parametrize(
    ("service", "given", "changed"),
    [
        ("custom-git", {"build_source": GIT}, {"build_source": "https://evil.example.com/a"}),
        (
            "gitea",
            {"build_source": "a/b", "base_url": "https://git.example.com"},
            {"git_url": "https://evil.example.com/a"},
        ),
        ("github", {}, {"build_source": "a/b", "api_url": "https://evil.example.com"}),
        ("github", {}, {"build_source": "a/b", "base_url": "https://evil.example.com"}),
    ],
)
def test_an_auth_token_goes_nowhere_that_another_administrator_names(
    api: Api, service: str, given: Any, changed: Any
) -> None:
    made = create(api, service, config=given, auth_token="secret-of-owner")
    api.put("/repository/acme/app/permissions/user/writer", {"role": "admin"}, by="owner")
    answer = api.post(f"{TRIGGERS}{made}/activate", {"config": changed}, by="writer")
    assert answer.status == 403, answer.text
    assert "auth_token" in answer.body["detail"]


def test_what_does_not_exist(api: Api) -> None:
    none = "00000000-0000-0000-0000-000000000000"
    trigger = active(api)
    for method, path, body in (
        ("GET", none, None),
        ("PUT", none, {"enabled": False}),
        ("DELETE", none, None),
        ("POST", f"{none}/activate", {"config": CONFIG}),
        ("POST", f"{none}/start", {"commit_sha": SHA}),
    ):
        assert api.call(method, TRIGGERS + path, json=body, by="owner").status == 404
    assert api.get(f"{TRIGGERS}{none}/builds", by="owner").body == {"builds": []}
    # The repository in the path has to be the trigger's.
    assert api.get(f"/repository/acme/public/trigger/{trigger['id']}", by="owner").status == 404
    assert api.get(f"/repository/acme/none/trigger/{trigger['id']}", by="owner").status == 404
    unknown = {"config": CONFIG, "pull_robot": "acme+none"}
    assert api.post(f"{TRIGGERS}{create(api)}/activate", unknown, by="owner").status == 404
    foreign = {"config": CONFIG, "pull_robot": "stranger+none"}
    assert api.post(f"{TRIGGERS}{create(api)}/activate", foreign, by="owner").status == 403


def test_a_trigger_whose_builds_fail_is_disabled(api: Api) -> None:
    trigger = active(api)
    deliver(api, trigger, PAYLOAD, token=write_token(trigger))
    (build,) = builds_of(api, trigger)
    with api.database.write() as session:
        for result in ("error", "success", "error"):
            count_result(session, build["id"], result, failures=2, internal_errors=2)
    assert api.get(f"{TRIGGERS}{trigger['id']}", by="owner").body["enabled"] is True
    with api.database.write() as session:
        count_result(session, build["id"], "error", failures=2, internal_errors=2)
    shown = api.get(f"{TRIGGERS}{trigger['id']}", by="owner").body
    assert (shown["enabled"], shown["disabled_reason"]) == (False, "successive_build_failures")


def test_builds_outlive_their_trigger(api: Api) -> None:
    trigger = active(api)
    deliver(api, trigger, PAYLOAD, token=write_token(trigger))
    (build,) = builds_of(api, trigger)
    with api.database.write() as session:
        session.execute(update(Trigger).values(failures=0))
    assert api.delete(f"{TRIGGERS}{trigger['id']}", by="owner").status == 204
    shown = api.get(f"/repository/acme/app/build/{build['id']}", by="owner").body
    assert (shown["trigger"], shown["trigger_metadata"]["commit"]) == (None, SHA)
    with api.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Build)) == 1
