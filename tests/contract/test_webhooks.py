"""Deliveries of webhooks: who may send them, which start builds of what, and what is kept of them."""

import hashlib
import hmac
import json
from typing import Any

import pytest
from sqlalchemy import select, update

from models.tables import InboundEvent, Trigger
from tests.factories.api import Api
from tests.factories.triggers import (
    BITBUCKET,
    DELETED,
    GIT,
    GITEA,
    GITHUB,
    GITLAB,
    PAYLOAD,
    SHA,
    TRIGGERS,
    active,
    builds_of,
    credential,
    deliver,
    write_token,
)


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
        (b"payload=", "The payload is not valid JSON"),
        (json.dumps(PAYLOAD).encode("utf-16"), "The payload is not valid JSON"),
        (json.dumps(PAYLOAD | {"ref": "refs/heads/\ud800"}).encode(), "payload: expected whole characters"),
        (json.dumps(PAYLOAD | {"ref": "refs/heads/a\0b"}).encode(), "payload: the NUL character"),
        (PAYLOAD | {"ref": "refs/heads/" + "a" * 1024}, "ref: expected refs/heads/"),
        (GITLAB | {"checkout_sha": "--all"}, "checkout_sha: '--all' does not match"),
        (GITEA | {"commits": [{"id": SHA, "message": "m", "url": 5}]}, "commits.0.url: 5 is not of type"),
    ):
        answer = deliver(api, trigger, payload, token=token)
        assert answer.status == 400
        assert answer.body["detail"].startswith(detail)
    api.put(f"{TRIGGERS}{trigger['id']}", {"enabled": False}, by="owner")
    disabled = deliver(api, trigger, PAYLOAD, token=token)
    assert disabled.status == 400
    assert disabled.body["detail"] == "This build trigger is currently disabled. Please re-enable to continue."
    assert builds_of(api, trigger) == []


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


def test_what_a_push_tells_is_kept_in_part_and_may_speak_of_escapes(api: Api) -> None:
    trigger = active(api)
    told = {"url": "u" * 9000, "message": "Strip \\u0000 from names. " + "x" * 9000, "date": "d"}
    deliver(api, trigger, PAYLOAD | {"commit_info": told}, token=write_token(trigger))
    (build,) = builds_of(api, trigger)
    kept = build["trigger_metadata"]["commit_info"]
    assert (kept["message"], kept["url"]) == (told["message"][:4096], "u" * 4096)


def test_a_bitbucket_author_of_another_form_is_named(api: Api) -> None:
    trigger = active(api)
    change = {"type": "branch", "name": "main", "target": {"hash": SHA, "message": "m", "author": {"user": {}}}}
    for links, status in (({"html": {"href": "https://x"}}, 200), ({"html": "x"}, 400), (None, 200)):
        change["target"]["author"]["user"] = {"nickname": "ada", "links": links}  # type: ignore[index]
        payload = BITBUCKET | {"push": {"changes": [{"new": change}]}}
        assert deliver(api, trigger, payload, token=write_token(trigger)).status == status


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


def test_only_so_much_is_kept_of_what_a_trigger_received(api: Api) -> None:
    trigger = active(api)
    deliver(api, trigger, PAYLOAD, token=write_token(trigger))
    with api.database.write() as session:
        id_ = session.scalars(select(Trigger.id)).one()
        kept = {"trigger_id": id_, "event": "push", "headers": {}, "verdict": "ignored", "reason": ""}
        session.add_all(InboundEvent(**kept, delivery_id=str(number), payload=bytes(9 << 20)) for number in range(4))
    deliver(api, trigger, PAYLOAD, token=write_token(trigger))
    listed = api.get(f"{TRIGGERS}{trigger['id']}/deliveries", by="owner").body["deliveries"]
    assert [each["delivery_id"] for each in listed] == [None, "3", "2", "1"]


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
