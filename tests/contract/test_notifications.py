"""Notifications of repositories and namespaces, and what users have been told: as recorded from Quay, or better."""

from typing import Any

import pytest
from sqlalchemy import select

from models import user_notifications
from models.access import find_account, find_repository
from models.tables import Notification, Repository, RepositoryEmail, User, UserNotification
from models.user_notifications import KEPT
from tests.factories.api import Answered, Api

LIST = "/repository/acme/app/notification/"
VIEW = {"uuid", "title", "event", "method", "config", "event_config", "number_of_failures"}
PROBLEM = {"message", "detail", "error_message", "error_type", "title", "type", "status"}
HOOK = {"url": "https://example.com/hook"}
NOBODY = "00000000-0000-0000-0000-000000000000"


def wish(method: str = "webhook", config: Any = HOOK, event: str = "repo_push", **rest: Any) -> dict[str, Any]:
    return {"event": event, "method": method, "config": config, "eventConfig": {}, **rest}


def target(kind: Any, name: Any = "reader") -> dict[str, Any]:
    return {"target": {"kind": kind, "name": name}}


def create(api: Api, body: Any = None, *, at: str = LIST, by: str = "owner") -> Answered:
    return api.post(at, wish(title="my hook") if body is None else body, by=by)


def confirm_email(api: Api, email: str) -> None:
    with api.database.write() as session:
        repository = find_repository(session, "acme", "app")
        assert repository is not None
        session.add(RepositoryEmail(repository_id=repository.id, email=email, code_hash=email, confirmed=True))


def test_a_notification_lives_as_in_quay(api: Api) -> None:
    created = create(api)
    assert created.status == 201
    secret = created.body.pop("webhook_secret")
    assert created.body == {
        "uuid": created.body["uuid"],
        "title": "my hook",
        "event": "repo_push",
        "method": "webhook",
        "config": HOOK,
        "event_config": {},
        "number_of_failures": 0,
    }
    one = f"{LIST}{created.body['uuid']}"
    assert api.get(LIST, by="owner").body == {"notifications": [created.body]}
    assert api.get(one, by="owner").body == created.body
    replaced = api.post(f"{one}/secret", by="owner")
    assert replaced.status == 200
    assert secret.startswith("whsec_")
    assert replaced.body.keys() == {"webhook_secret"}
    assert replaced.body["webhook_secret"] not in ("", secret)
    reset = api.post(one, by="owner")
    assert (reset.status, reset.text) == (204, "")
    assert api.delete(one, by="owner").status == 204
    assert api.get(one, by="owner").status == 404
    assert api.delete(one, by="owner").status == 400
    facts = {"notification_id": created.body["uuid"], "event": "repo_push", "method": "webhook"}
    where = {"namespace": "acme", "repo": "app"}
    told = {**where, **facts}
    assert api.logged(about="notification") == [
        ("add_repo_notification", "owner", told),
        ("reset_repo_notification", "owner", {**told, "secret": "replaced"}),
        ("reset_repo_notification", "owner", told),
        ("delete_repo_notification", "owner", told),
    ]


@pytest.mark.parametrize(
    "body",
    [
        wish("slack", {"url": "https://hooks.slack.com/services/a/b/c"}),
        wish("slack", {"url": "not-slack"}),
        wish("quay_notification", target("user"), "build_success"),
        wish("quay_notification", target("org", "acme"), "quota_warning"),
        wish("quay_notification", target("team", "owners")),
        wish("webhook", {**HOOK, "template": '{"tag": "${updated_tags[0]}"}'}),
        wish("webhook", {"url": "http://127.0.0.1:8000/allowed"}),
        wish("webhook", {"url": "https://me:secret@example.com/hook"}),
        wish("email", {"email": "agreed@example.com"}, "repo_image_expiry") | {"eventConfig": {"days": 5}},
        wish(event="repo_image_expiry") | {"eventConfig": {"days": "30"}},
        wish(event="vulnerability_found") | {"eventConfig": {"vulnerability": {"priority": "High"}}},
        wish(event="vulnerability_found") | {"eventConfig": {"level": 3}},
        wish(event="build_failure") | {"eventConfig": {"ref-regex": "refs/heads/(main|v.*)"}},
        wish(event="repo_mirror_sync_failed"),
        wish(event="quota_error"),
    ],
)
def test_what_quay_takes_is_taken(api: Api, body: dict[str, Any]) -> None:
    confirm_email(api, "agreed@example.com")
    created = create(api, body)
    assert created.status == 201, created.text
    created.body.pop("webhook_secret", None)
    assert created.body.keys() == VIEW
    assert (created.body["config"], created.body["event_config"]) == (body["config"], body["eventConfig"])


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "event"),
        (wish() | {"eventConfig": None}, "eventConfig"),
        (wish(surprise=1), "surprise"),
        (wish(config={}), "Missing webhook URL"),
        (wish(config={"url": 5}), "url: expected a text"),
        (wish(config={"url": "http://localhost/x"}), "Invalid webhook URL"),
        (wish(config={"url": "ftp://example.com/x"}), "Invalid webhook URL"),
        (wish(config={"url": "https://"}), "Invalid webhook URL"),
        (wish(config={"url": "https://10.1.2.3/x"}), "Invalid webhook URL"),
        (wish(config={"url": "https://[::1]/x"}), "Invalid webhook URL"),
        (wish(config={"url": "https://169.254.169.254/latest"}), "Invalid webhook URL"),
        (wish(config={"url": "https://me:secret@127.0.0.2/x"}), "Invalid webhook URL"),
        (wish(config={**HOOK, "template": "{"}), "Could not parse template"),
        (wish(config={**HOOK, "template": '"${a b}"'}), "nothing is known of"),
        (wish(config={**HOOK, "template": '"${}"'}), "empty expression"),
        (wish(config={**HOOK, "template": {}}), "template: expected JSON as a text"),
        (wish(config={**HOOK, "more": "x" * 40_000}), "config: expected at most"),
        (wish("email", {}), "Missing e-mail address"),
        (
            wish("email", {"email": "unauthorized@example.com"}),
            "The specified e-mail address is not authorized to receive notifications for this repository",
        ),
        (wish("slack", {}), "Missing Slack Callback URL"),
        (wish("quay_notification", {}), "Missing target"),
        (wish("quay_notification", {"target": "owner"}), "Missing target"),
        (wish("quay_notification", target("user", "nosuch")), "Unknown user nosuch"),
        (wish("quay_notification", target("user", "acme")), "Unknown user acme"),
        (wish("quay_notification", target("org", "nosuch")), "Unknown organization nosuch"),
        (wish("quay_notification", target("team", "nosuch")), "Unknown team nosuch"),
        (wish("quay_notification", target("robot")), "expected user, org or team"),
        (wish("flowdock", {"flow_api_token": "x"}), "does not exist any more"),
        (wish("nosuch"), "method: expected one of"),
        (wish(event="nosuch"), "event: expected one of"),
        (wish(event="repo_image_expiry"), "eventConfig.days: expected a whole number from 1 to 30"),
        (wish(event="repo_image_expiry") | {"eventConfig": {"days": 31}}, "eventConfig.days"),
        (wish(event="repo_image_expiry") | {"eventConfig": {"days": True}}, "eventConfig.days"),
        (wish(event="vulnerability_found") | {"eventConfig": {"level": 6}}, "eventConfig.level"),
        (wish(event="build_start") | {"eventConfig": {"ref-regex": "("}}, "eventConfig.ref-regex"),
        (wish(event="build_start") | {"eventConfig": {"ref-regex": 1}}, "eventConfig.ref-regex"),
        (wish(event="build_start") | {"eventConfig": {"ref-regex": "x" * 300}}, "at most 256"),
        (wish() | {"eventConfig": {"more": "x" * 5000}}, "eventConfig: expected at most"),
    ],
)
def test_what_cannot_work_is_refused_and_changes_nothing(api: Api, body: dict[str, Any], told: str) -> None:
    answer = create(api, body)
    assert answer.status == 400
    assert answer.body.keys() == PROBLEM
    assert told in answer.body["detail"]
    assert api.get(LIST, by="owner").body == {"notifications": []}
    assert api.logged(about="notification") == []


def test_an_organization_is_told_only_of_its_own(api: Api) -> None:
    api.post("/organization/", {"name": "other", "email": "other@example.com"}, by="owner")
    answer = create(api, wish("quay_notification", target("org", "other")))
    assert answer.body["detail"] == "Organization name must match repository namespace"


def test_what_is_not_there_is_answered_as_in_quay(api: Api) -> None:
    assert api.get(LIST + NOBODY, by="owner").status == 404
    missing = f"No repository notification found for: acme, app, {NOBODY}"
    for answer in (api.delete(LIST + NOBODY, by="owner"), api.post(LIST + NOBODY, by="owner")):
        assert (answer.status, answer.body["detail"]) == (400, missing)
    for path, status in (("acme/none", 404), ("nosuchns/none", 403)):  # better than Quay: 200 and 500
        assert api.get(f"/repository/{path}/notification/", by="owner").status == status
        assert create(api, at=f"/repository/{path}/notification/").status == status


def test_one_repository_does_not_show_what_is_anothers(api: Api) -> None:
    uuid = create(api).body["uuid"]
    other = f"/repository/acme/public/notification/{uuid}"
    assert [api.get(other, by="owner").status, api.delete(other, by="owner").status] == [404, 400]
    assert api.get(LIST + uuid, by="owner").status == 200


def test_only_who_administers_the_repository_touches_them(api: Api) -> None:
    uuid = create(api).body["uuid"]
    for person in ("reader", "writer", "stranger", "member"):
        assert create(api, by=person).status == 403
        for method, path in (("GET", ""), ("GET", uuid), ("DELETE", uuid), ("POST", uuid), ("POST", f"{uuid}/secret")):
            assert api.call(method, LIST + path, by=person).status == 403
    assert api.get(LIST, by="repo-admin").status == 200
    assert api.get(LIST, by="owner", scopes="repo:write").status == 403


def test_secrets_and_addresses_are_not_readable_in_the_database(api: Api) -> None:
    created = create(api, wish("webhook", {"url": "https://example.com/a-hidden-path"}))
    with api.database.read() as session:
        row = session.scalars(select(Notification)).one()
    assert "a-hidden-path" not in row.encrypted_config
    assert created.body["webhook_secret"] not in str(row.encrypted_secret)
    assert "webhook_secret" not in api.get(LIST + row.uuid, by="owner").body
    assert "webhook_secret" not in create(api, wish("slack")).body
    slack = api.get(LIST, by="owner").body["notifications"][1]["uuid"]
    assert api.post(f"{LIST}{slack}/secret", by="owner").status == 400


def test_a_repository_knows_whether_a_push_is_to_be_told(api: Api) -> None:
    def known() -> bool:
        with api.database.read() as session:
            return session.scalars(select(Repository.tells_pushes).where(Repository.name == "app")).one()

    other = create(api, wish(event="build_start")).body["uuid"]
    assert not known()
    first, second = create(api).body["uuid"], create(api).body["uuid"]
    seen = []
    for uuid in (first, other, second):
        seen.append(known())
        api.delete(LIST + uuid, by="owner")
    assert seen == [True, True, True]
    assert not known()


def test_a_repository_has_a_hundred_at_most(api: Api) -> None:
    with api.database.write() as session:
        repository = find_repository(session, "acme", "app")
        assert repository is not None
        session.add_all(
            Notification(repository=repository, event="repo_push", method="slack", encrypted_config="", event_config={})
            for _ in range(100)
        )
    assert create(api).status == 400


@pytest.mark.parametrize("at", ["/organization/acme/notifications", "/user/namespacenotifications"])
def test_namespaces_have_notifications_of_their_quota(api: Api, at: str) -> None:
    owns = "acme" if "organization" in at else "owner"
    created = create(api, wish(event="quota_warning"), at=at)
    assert created.status == 201
    secret = created.body.pop("webhook_secret")
    assert created.body.keys() == VIEW
    one = f"{at}/{created.body['uuid']}"
    assert api.get(at, by="owner").body == {"notifications": [created.body]}
    assert api.get(one, by="owner").body == created.body
    assert api.post(f"{one}/secret", by="owner").body["webhook_secret"] != secret
    assert api.post(one, by="owner").status == 204
    assert [api.delete(one, by="owner").status for _ in range(2)] == [204, 404]
    facts = {"notification_id": created.body["uuid"], "event": "quota_warning", "method": "webhook"}
    create_kind, reset, remove = (f"{what}_namespace_notification" for what in ("create", "reset", "delete"))
    told = {"namespace": owns, **facts}
    assert api.logged(about="notification") == [
        (create_kind, "owner", told),
        (reset, "owner", {**told, "secret": "replaced"}),
        (reset, "owner", told),
        (remove, "owner", told),
    ]
    assert create(api, wish(), at=at).status == 400  # no event of a repository
    assert create(api, wish("nosuch", event="quota_error"), at=at).status == 400


def test_a_namespace_is_told_at_the_address_of_one_of_its_people(api: Api) -> None:
    at = "/organization/acme/notifications"
    body = wish("email", {"email": "owner@example.com"}, "quota_warning")
    assert create(api, body, at=at).status == 201
    with api.database.write() as session:
        session.scalars(select(User).where(User.name == "owner")).one().verified = False
    assert create(api, body, at=at).body["detail"].endswith("for this namespace")
    body["config"]["email"] = "stranger@example.com"
    assert create(api, body, at=at).status == 400


def test_only_administrators_touch_those_of_an_organization(api: Api) -> None:
    at = "/organization/acme/notifications"
    uuid = create(api, wish(event="quota_warning"), at=at).body["uuid"]
    for person in ("member", "creator", "stranger"):
        assert create(api, wish(event="quota_warning"), at=at, by=person).status == 403
        for method, path in (("GET", ""), ("GET", f"/{uuid}"), ("DELETE", f"/{uuid}"), ("POST", f"/{uuid}")):
            assert api.call(method, at + path, by=person).status == 403
    assert api.get(f"/user/namespacenotifications/{uuid}", by="owner").status == 404


def tell(api: Api, name: str, kind: str, **detail: Any) -> str:
    with api.database.write() as session:
        account = find_account(session, name)
        assert account is not None
        notice = user_notifications.notify(session, account, kind, detail)
        session.flush()
        return notice.uuid


def test_users_see_what_they_were_told_and_dismiss_it(api: Api) -> None:
    uuids = [tell(api, "reader", "test_notification", number=number) for number in range(7)]
    first = api.get("/user/notifications", by="reader")
    assert (first.status, first.body["additional"]) == (200, True)
    assert [notice["id"] for notice in first.body["notifications"]] == uuids[:1:-1]
    notice = first.body["notifications"][0]
    assert notice.keys() == {"id", "organization", "kind", "created", "metadata", "dismissed"}
    assert (notice["organization"], notice["kind"], notice["dismissed"]) == (None, "test_notification", False)
    assert notice["metadata"] == {"number": 6}
    rest = api.get("/user/notifications?page=1", by="reader").body
    assert (rest["additional"], [each["id"] for each in rest["notifications"]]) == (False, uuids[1::-1])
    path = f"/user/notifications/{uuids[0]}"
    assert api.put(path, {"dismissed": True}, by="reader").body["dismissed"] is True
    assert api.put(path, {}, by="reader").body["dismissed"] is True
    assert api.get(path, by="reader").body["dismissed"] is True
    listed = api.get("/user/notifications?limit=100", by="reader").body["notifications"]
    assert uuids[0] not in [each["id"] for each in listed]
    assert api.put(path, {"dismissed": 5}, by="reader").status == 400
    assert api.get("/user/notifications?limit=0", by="reader").status == 400


def test_who_administers_an_organization_sees_what_it_was_told_and_nobody_else_does(api: Api) -> None:
    theirs, hers = tell(api, "acme", "over_private_usage"), tell(api, "reader", "password_required")
    listed = api.get("/user/notifications", by="owner").body["notifications"]
    assert [(notice["id"], notice["organization"]) for notice in listed] == [(theirs, "acme")]
    for person in ("member", "creator", "stranger", "repo-admin"):
        assert api.get("/user/notifications", by=person).body["notifications"] == []
        for uuid in (theirs, hers, NOBODY):
            assert api.get(f"/user/notifications/{uuid}", by=person).status == 404
            assert api.put(f"/user/notifications/{uuid}", {"dismissed": True}, by=person).status == 404
    assert api.get("/user/notifications", by="reader", scopes="user:read").status == 403


def test_what_does_not_hold_any_more_is_withdrawn(api: Api) -> None:
    for code in ("a", "b"):
        tell(api, "reader", "org_team_invite", team="members", code=code)
    tell(api, "reader", "repo_push", code="a")
    with api.database.write() as session:
        reader = find_account(session, "reader")
        assert reader is not None
        assert user_notifications.withdraw(session, reader, "org_team_invite", code="a") == 1
        assert len(session.scalars(select(UserNotification)).all()) == 2


def test_notices_are_forgotten_in_time(api: Api) -> None:
    old, new = (tell(api, "reader", "test_notification") for _ in range(2))
    with api.database.write() as session:
        session.scalars(select(UserNotification).where(UserNotification.uuid == old)).one().created_at -= KEPT
        assert user_notifications.forget_old(session) == 1
        assert session.scalars(select(UserNotification.uuid)).all() == [new]
