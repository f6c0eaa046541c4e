"""Quotas of organizations and users: what Quay's operations answer, and where what is used is told."""

from dataclasses import replace
from typing import Any

import pytest

from tests.contract.exchanges import PROBLEM, Exchange, play
from tests.factories.api import Api, make_app, make_services
from tests.factories.pusher import Pusher

QUOTA = {"id", "limit_bytes", "limit", "default_config", "limits", "default_config_exists"}
REPORT = {"quota_bytes", "configured_quota", "running_backfill", "backfill_status"}
GIB = 1 << 30
ACME = "/organization/acme/quota"
E = Exchange


def created(api: Api, at: str = ACME, **body: Any) -> str:
    """Where the new quota is."""
    answer = api.post(at, body or {"limit_bytes": GIB}, by="root")
    assert (answer.status, answer.body) == (201, "Created")
    (quota,) = api.get(at, by="root").body
    return f"{at}/{quota['id']}"


def test_a_quota_is_made_shown_changed_and_deleted(api: Api) -> None:
    assert api.get(ACME, by="member").body == []
    at = created(api, limit="1 GiB")
    id_ = int(at.rpartition("/")[2])
    shown = {
        "id": id_,
        "limit_bytes": GIB,
        "limit": "1.0 GiB",
        "default_config": False,
        "limits": [],
        "default_config_exists": False,
    }
    assert api.get(ACME, by="member").body == [shown]
    assert api.get(at, by="member").body == shown
    assert api.post(ACME, {"limit_bytes": 1}, by="root").status == 400
    changed = api.put(at, {"limit_bytes": 5 * GIB}, by="root")
    assert (changed.status, changed.body) == (200, {**shown, "limit_bytes": 5 * GIB, "limit": "5.0 GiB"})
    assert api.put(at, {}, by="root").body["limit_bytes"] == 5 * GIB
    gone = api.delete(at, by="root")
    assert (gone.status, gone.text) == (204, "")
    for answer in (api.get(at, by="owner"), api.put(at, {}, by="root"), api.delete(at, by="root")):
        assert answer.status == 404
    size = {"namespace": "acme", "limit_bytes": 5 * GIB, "limit": "5.0 GiB"}
    before = {"previous_limit_bytes": GIB, "previous_limit": "1.0 GiB"}
    assert api.logged("org_create_quota", "org_change_quota", "org_delete_quota") == [
        ("org_create_quota", "root", {"namespace": "acme", "limit_bytes": GIB, "limit": "1.0 GiB"}),
        ("org_change_quota", "root", {**size, **before, "quota_id": id_}),
        ("org_delete_quota", "root", {**size, "quota_id": id_}),
    ]


def test_limits_are_made_shown_changed_and_deleted(api: Api) -> None:
    at = created(api)
    for kind, percent in (("Reject", 100), ("warning", 80)):
        answer = api.post(f"{at}/limit", {"type": kind, "threshold_percent": percent}, by="root")
        assert (answer.status, answer.body) == (201, "Created")
    assert api.post(f"{at}/limit", {"type": "Warning", "threshold_percent": 80}, by="root").status == 400
    warning, reject = api.get(f"{at}/limit", by="member").body
    assert warning == {"id": warning["id"], "type": "Warning", "limit_percent": 80}
    assert (reject["type"], reject["limit_percent"]) == ("Reject", 100)
    assert api.get(f"{at}/limit/{warning['id']}", by="member").body == warning
    changed = api.put(f"{at}/limit/{warning['id']}", {"threshold_percent": 90}, by="root")
    assert (changed.status, changed.body.keys()) == (200, QUOTA)
    assert changed.body["limits"] == [{**warning, "limit_percent": 90}, reject]
    assert api.put(f"{at}/limit/{warning['id']}", {"type": "Reject", "threshold_percent": 100}, by="root").status == 400
    assert api.delete(f"{at}/limit/{reject['id']}", by="root").status == 204
    assert api.delete(f"{at}/limit/{reject['id']}", by="root").status == 404
    assert api.get(f"{at}/limit/{reject['id']}", by="member").status == 404
    told = {"namespace": "acme", "limit_id": warning["id"], "type": "Warning", "threshold_percent": 90}
    change, removal = api.logged("org_change_quota_limit", "org_delete_quota_limit")
    assert change[1:] == ("root", {**told, "previous_type": "Warning", "previous_threshold_percent": 80})
    assert removal[1:] == (
        "root",
        {"namespace": "acme", "limit_id": reject["id"], "type": "Reject", "threshold_percent": 100},
    )
    assert api.delete(at, by="root").status == 204  # with the limits that are left


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"limit_bytes": 0},
        {"limit_bytes": -1},
        {"limit_bytes": 1 << 60},
        {"limit_bytes": "many"},
        {"limit_bytes": 1.5},
        {"limit": "much"},
        {"limit": "0"},
        {"limit": "1 GiB", "limit_bytes": 1},
        {"limit_bytes": 1, "other": 2},
    ],
)
def test_what_is_no_size_is_refused(api: Api, body: dict[str, Any]) -> None:
    for at in (ACME, "/superuser/users/owner/quota", "/superuser/organization/acme/quota"):
        assert api.post(at, body, by="root").status == 400
    at = created(api)
    assert api.put(at, body, by="root").status == (200 if body == {} else 400)
    assert api.get(at, by="root").body["limit_bytes"] == GIB


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"type": "Reject"},
        {"threshold_percent": 50},
        {"type": "Perhaps", "threshold_percent": 50},
        {"type": "Reject", "threshold_percent": 0},
        {"type": "Reject", "threshold_percent": 101},
        {"type": "Reject", "threshold_percent": "50"},
    ],
)
def test_what_is_no_limit_is_refused(api: Api, body: dict[str, Any]) -> None:
    at = created(api)
    assert api.post(f"{at}/limit", body, by="root").status == 400
    assert api.get(f"{at}/limit", by="root").body == []


def test_superusers_set_the_quota_of_anybody_and_users_see_their_own(api: Api) -> None:
    at = "/superuser/users/owner/quota"
    id_ = created(api, at).rpartition("/")[2]
    (shown,) = api.get("/user/quota", by="owner").body
    assert (shown.keys(), shown["id"], shown["limit_bytes"]) == (QUOTA, int(id_), GIB)
    assert api.get(f"/user/quota/{id_}", by="owner").body == shown
    assert api.get(f"/user/quota/{id_}/limit", by="owner").body == []
    assert api.get(f"/user/quota/{id_}/limit/1", by="owner").status == 404
    assert api.get("/user/quota", by="reader").body == []
    assert api.get(f"/user/quota/{id_}", by="reader").status == 404
    assert api.put(f"{at}/{id_}", {"limit": "2 GiB"}, by="root").body["limit"] == "2.0 GiB"
    assert api.post(at, {"limit_bytes": 1}, by="root").status == 400
    assert api.delete(f"{at}/{id_}", by="root").status == 204
    assert api.get("/superuser/organization/acme/quota", by="root").body == []
    created(api, "/superuser/organization/acme/quota")


def test_exchanges(api: Api) -> None:
    at = created(api)
    play(
        api,
        [
            E("GET", ACME, 401, PROBLEM, by=None),
            E("GET", ACME, 403, PROBLEM, by="stranger"),
            E("GET", "/organization/nosuchorg/quota", 403, PROBLEM),
            E("GET", "/organization/nosuchorg/quota", 404, PROBLEM, by="root"),
            E("POST", ACME, 403, PROBLEM, {"limit_bytes": 1}),
            E("POST", ACME, 415, PROBLEM, by="root"),
            E("GET", f"{ACME}/999", 404, PROBLEM),
            E("GET", f"{ACME}/nonsense", 404, PROBLEM),
            E("GET", f"{ACME}/{'9' * 30}", 404, PROBLEM),
            E("PUT", at, 403, PROBLEM, {"limit_bytes": 1}),
            E("DELETE", at, 403, PROBLEM),
            E("POST", f"{at}/limit", 403, PROBLEM, {"type": "Reject", "threshold_percent": 1}),
            E("POST", f"{at}9/limit", 404, PROBLEM, {"type": "Reject", "threshold_percent": 1}, by="root"),
            E("GET", f"{at}/limit/x", 404, PROBLEM),
            E("PUT", f"{at}/limit/1", 403, PROBLEM, {}),
            E("PUT", f"{at}/limit/1", 404, PROBLEM, {}, by="root"),
            E("DELETE", f"{at}/limit/1", 403, PROBLEM),
            E("GET", "/superuser/users/owner/quota", 403, PROBLEM),
            E("GET", "/superuser/users/nobody/quota", 404, PROBLEM, by="root"),
            E("POST", "/superuser/organization/nobody/quota", 404, PROBLEM, {"limit_bytes": 1}, by="root"),
            E("GET", "/user/quota", 401, PROBLEM, by=None),
        ],
    )


def test_what_is_used_is_told_where_namespaces_and_repositories_are_shown(api: Api, pusher: Pusher) -> None:
    pusher.image("v1", b"x" * 100)
    created(api)
    used = {"quota_bytes": 102, "configured_quota": GIB}
    counted = {"running_backfill": "complete", "backfill_status": "complete"}
    for who in ("owner", "member"):
        shown = api.get("/organization/acme", by=who).body
        assert shown["quota_report"] == {**used, **counted}
        assert [quota["limit_bytes"] for quota in shown["quotas"]] == [GIB]
    assert not {"quotas", "quota_report"} & api.get("/organization/acme", by="stranger").body.keys()
    assert api.get("/repository/acme/app", by="reader").body["quota_report"] == used
    listed = api.get("/repository?namespace=acme", by="owner").body["repositories"]
    assert {each["name"]: each["quota_report"]["quota_bytes"] for each in listed} == {"app": 102, "public": 0}
    own = api.get("/user/", by="owner").body
    assert own["quotas"] == []
    assert own["quota_report"] == {"quota_bytes": 0, "configured_quota": None, **counted}
    assert not {"quotas", "quota_report"} & api.get("/user/", by="owner", scopes="user:read").body.keys()
    created(api, "/superuser/users/owner/quota")
    users = api.get("/superuser/users/", by="root").body["users"]
    assert {user["username"]: user["quota_report"]["configured_quota"] for user in users if user["quotas"]} == {
        "owner": GIB
    }


def test_lists_ask_no_more_however_long_they_are(api: Api, statements: list[str]) -> None:
    def asked(path: str) -> int:
        statements.clear()
        assert api.get(path, by="root").status == 200
        return len(statements)

    for path in ("/superuser/users/?limit={}", "/repository?public=true&namespace=acme&x={}"):
        api.get(path.format(1), by="root")
        few = asked(path.format(2))
        api.post("/repository", {"namespace": "acme", "repository": "more", "visibility": "public"}, by="owner")
        created(api, "/superuser/users/reader/quota") if "superuser" in path else None
        assert asked(path.format(50)) <= few + 1  # the limits, once there is a quota


@pytest.mark.parametrize("feature", ["FEATURE_QUOTA_MANAGEMENT", "FEATURE_EDIT_QUOTA"])
def test_where_quotas_are_off_nothing_shows_them(api: Api, feature: str) -> None:
    services = make_services(api.database, api.services.settings.data, **{feature: False})
    off = Api(make_app(replace(services, storage=api.services.storage)))
    for path in (ACME, "/user/quota", "/superuser/users/owner/quota"):
        assert off.get(path, by="root").status == 404
    assert "listUserQuota" not in off.get("/discovery").text
    for path in ("/organization/acme", "/repository/acme/app", "/user/"):
        assert not {"quotas", "quota_report"} & off.get(path, by="owner").body.keys()


def test_the_quota_of_everybody_is_shown_where_there_is_none(api: Api) -> None:
    services = make_services(api.database, api.services.settings.data, DEFAULT_SYSTEM_REJECT_QUOTA_BYTES=2 * GIB)
    limited = Api(make_app(services))
    (shown,) = limited.get(ACME, by="member").body
    assert shown == {
        "id": None,
        "limit_bytes": 2 * GIB,
        "limit": "2.0 GiB",
        "default_config": True,
        "limits": [],
        "default_config_exists": True,
    }
    assert limited.get("/organization/acme", by="owner").body["quota_report"]["configured_quota"] == 2 * GIB
    created(limited)
    (own,) = limited.get(ACME, by="member").body
    assert (own["limit_bytes"], own["default_config"], own["default_config_exists"]) == (GIB, False, True)
