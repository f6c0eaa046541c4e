"""Starred repositories."""

import pytest

from api.v1 import stars
from tests.contract.exchanges import PROBLEM, Exchange, play
from tests.factories.api import Api

E = Exchange
APP = {"namespace": "acme", "repository": "app"}
SCRIPT = [
    E("POST", "/user/starred", 201, {"namespace", "repository"}, APP),
    E("POST", "/user/starred", 201, {"namespace", "repository"}, APP),
    E("POST", "/user/starred", 201, {"namespace"}, {"namespace": "acme", "repository": "public"}, by="stranger"),
    E("POST", "/user/starred", 404, PROBLEM, {"namespace": "acme", "repository": "none"}, better=True),
    E("POST", "/user/starred", 404, PROBLEM, {"namespace": "acme", "repository": "none"}, by="stranger", better=True),
    E("POST", "/user/starred", 404, PROBLEM, APP, by="stranger", better=True),
    E("POST", "/user/starred", 400, PROBLEM, {"namespace": "acme"}),
    E("POST", "/user/starred", 400, PROBLEM, {"namespace": 5, "repository": "x"}),
    E("POST", "/user/starred", 400, PROBLEM, {}),
    E("POST", "/user/starred", 415, PROBLEM),
    E("POST", "/user/starred", 401, PROBLEM, APP, by=None),
    E("GET", "/user/starred", 200, {"repositories"}),
    E("GET", "/user/starred?next_page=garbage", 400, PROBLEM, better=True),
    E("GET", "/user/starred", 401, PROBLEM, by=None),
    E("DELETE", "/user/starred/acme/none", 204, better=True),
    E("DELETE", "/user/starred/acme/app", 204),
    E("DELETE", "/user/starred/acme/app", 204),
]


def listed(api: Api, by: str) -> list[str]:
    return [each["name"] for each in api.get("/user/starred", by=by).body["repositories"]]


def test_exchanges_are_as_recorded(api: Api) -> None:
    play(api, SCRIPT)


def test_a_star_is_seen_by_who_gave_it(api: Api) -> None:
    api.post("/user/starred", APP, by="reader")
    (shown,) = api.get("/user/starred", by="reader").body["repositories"]
    assert shown == {"namespace": "acme", "name": "app", "description": "", "is_public": False}
    assert api.get("/repository/acme/app", by="reader").body["is_starred"] is True
    assert api.get("/repository/acme/app", by="writer").body["is_starred"] is False
    assert listed(api, "writer") == []
    api.delete("/user/starred/acme/app", by="writer")
    assert listed(api, "reader") == ["app"]
    api.delete("/user/starred/acme/app", by="reader")
    assert listed(api, "reader") == []


def test_what_one_may_no_longer_see_is_not_listed(api: Api) -> None:
    api.post("/user/starred", APP, by="reader")
    api.delete("/repository/acme/app/permissions/user/reader", by="owner")
    assert listed(api, "reader") == []
    assert api.delete("/user/starred/acme/app", by="reader").status == 204


def test_a_nested_name_can_be_starred(api: Api) -> None:
    api.post("/repository", {"namespace": "acme", "repository": "a/b"}, by="owner")
    api.post("/user/starred", {"namespace": "acme", "repository": "a/b"}, by="owner")
    assert listed(api, "owner") == ["a/b"]
    api.delete("/user/starred/acme/a/b", by="owner")
    assert listed(api, "owner") == []


def test_many_stars_come_in_pages(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stars, "PAGE", 2)
    for name in ("a1", "a2", "a3"):
        api.post("/repository", {"namespace": "acme", "repository": name}, by="owner")
        api.post("/user/starred", {"namespace": "acme", "repository": name}, by="owner")
    first = api.get("/user/starred", by="owner").body
    second = api.get(f"/user/starred?next_page={first['next_page']}", by="owner").body
    assert [[each["name"] for each in page["repositories"]] for page in (first, second)] == [["a1", "a2"], ["a3"]]
    assert "next_page" not in second
    assert api.get(f"/user/starred?next_page={first['next_page']}", by="reader").status == 400
