"""Build triggers as recorded from Quay, what is ours beside it, and the deliveries that start builds."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from sqlalchemy import func, select, update

from models.tables import Build, LogEntry, Trigger
from models.triggers import count_result
from tests.factories.api import Answered, Api

TRIGGERS = "/repository/acme/app/trigger/"
GIT = "git@git.example.com:foo/bar.git"
CONFIG = {"build_source": GIT, "dockerfile_path": "/Dockerfile", "context": "/"}
SHA = "0123456789abcdef0123456789abcdef01234567"
TRIGGER = {
    "id", "service", "is_active", "build_source", "repository_url", "config", "can_invoke", "enabled",
    "disabled_reason",
}  # fmt: skip
BUILD = {
    "id", "phase", "started", "display_name", "status", "subdirectory", "dockerfile_path", "context", "tags",
    "manual_user", "is_writer", "trigger", "trigger_metadata", "resource_key", "pull_robot", "repository", "error",
}  # fmt: skip
PAYLOAD = {
    "commit": SHA,
    "ref": "refs/heads/main",
    "default_branch": "main",
    "commit_info": {"url": "https://git.example.com/c", "message": "change", "date": "2026-11-20T15:40:06+00:00"},
}


def create(api: Api, service: str = "custom-git", *, config: Any = None, **rest: Any) -> str:
    answer = api.post(TRIGGERS, {"service": service, "config": config or {}, **rest}, by="owner")
    assert answer.status == 201, answer.text
    return str(answer.body["id"])


def active(api: Api, service: str = "custom-git", **config: Any) -> Any:
    """An active trigger as it is shown."""
    made = create(api, service)
    answer = api.post(f"{TRIGGERS}{made}/activate", {"config": CONFIG | config}, by="owner")
    assert answer.status == 200, answer.text
    return answer.body


def credential(trigger: Any, name: str) -> str:
    return str(next(each["value"] for each in trigger["config"]["credentials"] if each["name"] == name))


def write_token(trigger: Any) -> str:
    return credential(trigger, "Webhook Endpoint URL").partition("$token:")[2].partition("@")[0]


def deliver(
    api: Api, trigger: Any, payload: Any, *, token: str | None = None, secret: str | None = None, **headers: str
) -> Answered:
    """Send a payload as a forge would: with the URL's token, or signed as by GitHub."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if token is not None:
        sent["Authorization"] = "Basic " + base64.b64encode(f"$token:{token}".encode()).decode()
    if secret is not None:
        sent["X-Hub-Signature-256"] = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    client = api.app.test_client()
    answer = client.post(
        f"/webhooks/push/trigger/{trigger['id']}", data=body, headers=sent, content_type="application/json"
    )
    return Answered(answer.status_code, answer.get_json(silent=True), answer.text, answer.headers)


def builds_of(api: Api, trigger: Any) -> list[Any]:
    return list(api.get(f"{TRIGGERS}{trigger['id']}/builds", by="owner").body["builds"])


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
        ("custom-git", {"build_source": "git@x:a", "branchtag_regex": "("}, "branchtag_regex: this is no regular"),
        (
            "custom-git",
            {"build_source": "git@x:a", "dockerfile_path": "../x"},
            "dockerfile_path: expected a path inside",
        ),
        ("custom-git", {"build_source": "git@x:a", "tag_templates": "x"}, "tag_templates: 'x' is not of type 'array'"),
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


def test_a_push_becomes_a_build(api: Api) -> None:
    trigger = active(api)
    answer = deliver(api, trigger, PAYLOAD, token=write_token(trigger))
    assert (answer.status, answer.text) == (200, "Okay")
    (build,) = builds_of(api, trigger)
    assert build["tags"] == ["main", "latest"]
    assert build["manual_user"] is None
    assert build["trigger_metadata"] == {
        "commit": SHA,
        "ref": "refs/heads/main",
        "git_url": GIT,
        "default_branch": "main",
        "commit_info": {**PAYLOAD["commit_info"], "short_sha": SHA[:7]},  # type: ignore[dict-item]
    }


@pytest.mark.parametrize(
    ("config", "ref", "tags"),
    [
        ({}, "refs/tags/v1.0", ["v1.0"]),
        ({}, "refs/heads/feature/x y", ["feature_x_y"]),
        ({"default_tag_from_ref": False}, "refs/heads/other", ["0123456"]),
        ({"latest_for_default_branch": False}, "refs/heads/main", ["main"]),
        (
            {"tag_templates": ["${commit_info.short_sha}-${parsed_ref.branch}", "${parsed_ref.tag}"]},
            "refs/heads/main",
            ["main", "latest", "0123456-main"],
        ),
    ],
)
def test_tags_follow_the_configuration(api: Api, config: Any, ref: str, tags: list[str]) -> None:
    trigger = active(api, **config)
    deliver(api, trigger, PAYLOAD | {"ref": ref}, token=write_token(trigger))
    assert builds_of(api, trigger)[0]["tags"] == tags


@pytest.mark.parametrize(
    ("config", "changed"),
    [
        ({"branchtag_regex": "heads/release-.*"}, {}),
        ({}, {"commit_info": {**PAYLOAD["commit_info"], "message": "wip [skip build]"}}),  # type: ignore[dict-item]
    ],
)
def test_pushes_that_do_not_count_start_nothing_and_are_kept(api: Api, config: Any, changed: Any) -> None:
    trigger = active(api, **config)
    answer = deliver(api, trigger, PAYLOAD | changed, token=write_token(trigger))
    assert (answer.status, answer.text, answer.headers["X-Drydock-Verdict"]) == (200, "Okay", "ignored")
    assert builds_of(api, trigger) == []


def test_who_may_deliver(api: Api) -> None:
    trigger = active(api)
    secret = credential(trigger, "Webhook Secret")
    assert deliver(api, trigger, PAYLOAD).status == 401
    assert deliver(api, trigger, PAYLOAD, token="wrong").status == 403
    forged = {"X_GitHub_Event": "push", "X_Hub_Signature_256": "sha256=" + "0" * 64}
    assert deliver(api, trigger, PAYLOAD, token=write_token(trigger), **forged).status == 403
    assert deliver(api, {"id": "none"}, PAYLOAD, token="x").status == 404
    assert builds_of(api, trigger) == []
    assert deliver(api, trigger, GITHUB, secret=secret, X_GitHub_Event="push").status == 200
    assert len(builds_of(api, trigger)) == 1


def test_bad_payloads_name_the_field_and_start_nothing(api: Api) -> None:
    trigger = active(api)
    token = write_token(trigger)
    for payload, detail in (
        (b"{", "The payload is not valid JSON"),
        (b"[]", "payload: expected a JSON object"),
        (PAYLOAD | {"commit": "xyz"}, "commit: 'xyz' does not match"),
        (PAYLOAD | {"ref": "main"}, "ref: 'main' does not match"),
        ({"commit": SHA}, "payload: 'ref' is a required property"),
    ):
        answer = deliver(api, trigger, payload, token=token)
        assert answer.status == 400
        assert answer.body["detail"].startswith(detail)
    api.put(f"{TRIGGERS}{trigger['id']}", {"enabled": False}, by="owner")
    disabled = deliver(api, trigger, PAYLOAD, token=token)
    assert disabled.status == 400
    assert disabled.body["detail"] == "This build trigger is currently disabled. Please re-enable to continue."
    assert builds_of(api, trigger) == []


GITHUB = {
    "ref": "refs/heads/main",
    "head_commit": {"id": SHA, "message": "m", "url": "u", "timestamp": "t", "author": {"username": "ada"}},
    "repository": {"ssh_url": "git@evil.example.com:a/b.git", "default_branch": "main"},
    "sender": {"login": "ada", "avatar_url": "https://a"},
}
GITEA = {
    "ref": "refs/heads/main",
    "after": SHA,
    "commits": [{"id": SHA, "message": "m"}],
    "repository": {"ssh_url": "git@git.example.com:a/b.git", "default_branch": "main"},
}
GITLAB = {
    "object_kind": "push",
    "ref": "refs/heads/main",
    "checkout_sha": SHA,
    "commits": [{"id": SHA, "message": "m", "author": {"name": "Ada"}}],
    "project": {"git_ssh_url": "git@git.example.com:a/b.git", "default_branch": "main"},
}
BITBUCKET = {
    "push": {"changes": [{"new": {"type": "branch", "name": "main", "target": {"hash": SHA, "message": "m"}}}]},
    "repository": {"full_name": "a/b", "mainbranch": {"name": "main"}},
}
DELETED = (
    GITHUB | {"deleted": True, "head_commit": None},
    GITEA | {"after": "0" * 40},
    GITLAB | {"checkout_sha": None},
    {**BITBUCKET, "push": {"changes": [{"new": None}]}},
)


@pytest.mark.parametrize("service", ["github", "gitea", "gitlab", "bitbucket", "custom-git"])
@pytest.mark.parametrize("signed", [True, False])
def test_each_forge_is_understood_and_its_signature_checked(api: Api, service: str, *, signed: bool) -> None:
    config = {} if service == "custom-git" else {"build_source": "a/b", "base_url": "https://git.example.com"}
    trigger = active(api, service, **config)
    secret, token = credential(trigger, "Webhook Secret"), write_token(trigger)
    payload = {"github": GITHUB, "gitea": GITEA, "gitlab": GITLAB, "bitbucket": BITBUCKET}.get(service, GITEA)
    digest = hmac.new(secret.encode(), json.dumps(payload).encode(), hashlib.sha256).hexdigest()
    headers = {
        "github": {"X_GitHub_Event": "push", "X_Hub_Signature_256": f"sha256={digest}"},
        "gitlab": {"X_Gitlab_Event": "Push Hook", "X_Gitlab_Token": secret},
        "bitbucket": {"X_Event_Key": "repo:push", "X_Hub_Signature": f"sha256={digest}"},
    }.get(service, {"X_Gitea_Event": "push", "X_Gitea_Signature": digest})
    if not signed:
        headers = {name: value for name, value in headers.items() if "Event" in name}
    answer = deliver(api, trigger, payload, token=None if signed else token, **headers)
    assert answer.status == 200, answer.text
    (build,) = builds_of(api, trigger)
    assert build["trigger_metadata"]["commit"] == SHA
    assert build["trigger_metadata"]["git_url"] == (GIT if service == "custom-git" else "git@git.example.com:a/b.git")
    assert build["trigger_metadata"]["commit_info"]["message"] == "m"
    assert build["tags"] == ["main", "latest"]


def test_forges_pings_and_deletions_are_answered_and_start_nothing(api: Api) -> None:
    trigger = active(api)
    token = write_token(trigger)
    assert deliver(api, trigger, {"zen": "x"}, token=token, X_GitHub_Event="ping").text == "Okay"
    assert deliver(api, trigger, {}, token=token, X_GitHub_Event="issues").text == "Okay"
    for payload in DELETED:
        assert deliver(api, trigger, payload, token=token).headers["X-Drydock-Verdict"] == "ignored", payload
    assert builds_of(api, trigger) == []


def test_a_delivery_counts_once(api: Api) -> None:
    trigger = active(api)
    token = write_token(trigger)
    for _ in range(2):
        answer = deliver(api, trigger, GITHUB, token=token, X_GitHub_Event="push", X_GitHub_Delivery="one")
        assert answer.status == 200
    assert len(builds_of(api, trigger)) == 1


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


def test_deliveries_are_kept_with_their_verdict_and_can_be_repeated(api: Api) -> None:
    trigger = active(api)
    token = write_token(trigger)
    url = f"{TRIGGERS}{trigger['id']}/deliveries"
    deliver(api, trigger, GITHUB, token=token, X_GitHub_Event="push", X_GitHub_Delivery="one")
    deliver(api, trigger, {}, token=token, X_GitHub_Event="ping", X_GitHub_Delivery="two")
    deliver(api, trigger, b"{", token=token)
    deliver(api, trigger, PAYLOAD, token="wrong")

    listed = api.get(url, by="owner").body["deliveries"]

    assert [(each["verdict"], each["delivery_id"], each["event"]) for each in listed] == [
        ("refused", None, "push"),
        ("ignored", "two", "ping"),
        ("fired", "one", "push"),
    ]
    assert [each["verified"] for each in listed] == ["token"] * 3
    assert listed[0]["reason"] == "The payload is not valid JSON"
    assert listed[2]["build"] == builds_of(api, trigger)[0]["id"]
    one = api.get(f"{url}/{listed[2]['id']}", by="owner").body
    assert json.loads(one["payload"]) == GITHUB
    assert one["headers"] == {
        "content-type": "application/json",
        "user-agent": one["headers"]["user-agent"],
        "x-github-event": "push",
        "x-github-delivery": "one",
    }
    again = api.post(f"{url}/{listed[2]['id']}/redeliver", by="owner")
    assert (again.status, again.body["verdict"], again.body["redelivery_of"]) == (201, "fired", listed[2]["id"])
    assert len(builds_of(api, trigger)) == 2
    assert api.get(f"{url}/none", by="owner").status == 404
    assert api.get(url, by="writer").status == 403


def test_deliveries_are_paged(api: Api) -> None:
    trigger = active(api)
    for number in range(52):
        deliver(api, trigger, {}, token=write_token(trigger), X_GitHub_Event=f"event-{number}")
    url = f"{TRIGGERS}{trigger['id']}/deliveries"
    first = api.get(url, by="owner").body
    rest = api.get(f"{url}?next_page={first['next_page']}", by="owner").body
    found = [each["event"] for page in (first, rest) for each in page["deliveries"]]
    assert found == [f"event-{number}" for number in reversed(range(52))]
    assert "next_page" not in rest


def test_a_delivery_that_was_refused_may_come_again(api: Api) -> None:
    trigger = active(api)
    token = write_token(trigger)
    headers = {"X_GitHub_Event": "push", "X_GitHub_Delivery": "one"}
    with api.database.write() as session:
        session.execute(update(Trigger).values(enabled=False))
    assert deliver(api, trigger, GITHUB, token=token, **headers).status == 400
    with api.database.write() as session:
        session.execute(update(Trigger).values(enabled=True))
    assert deliver(api, trigger, GITHUB, token=token, **headers).status == 200
    assert len(builds_of(api, trigger)) == 1
