"""Finding users, robots, teams and organizations by the beginning of their names."""

from typing import Any

from models.session import Database
from models.tables import User
from tests.contract.exchanges import PROBLEM, Exchange, play
from tests.factories.api import Api, make_app, make_services

E = Exchange
IN_ACME = "?namespace=acme&includeTeams=true&includeOrgs=true"
SCRIPT = [
    E("GET", "/entities/re", 200, {"results"}),
    E("GET", f"/entities/re{IN_ACME}", 200, {"results"}),
    E("GET", "/entities/re?namespace=nosuchorg&includeTeams=true", 200, {"results"}),
    E("GET", "/entities/zzzz", 200, {"results"}),
    E("GET", "/entities/re", 200, {"results"}, by=None),
    E("POST", "/entities/link/somebody", 404, PROBLEM),
    E("POST", "/entities/link/somebody", 404, PROBLEM, by=None),
]


def found(api: Api, prefix: str, by: str | None = "owner", query: str = "", **rest: Any) -> list[tuple[str, str]]:
    results = api.get(f"/entities/{prefix}{query}", by=by, **rest).body["results"]
    return [(each["kind"], each["name"]) for each in results]


def test_exchanges_are_as_recorded(api: Api) -> None:
    play(api, SCRIPT)


def test_a_user_is_shown_as_in_quay(api: Api) -> None:
    (shown,) = api.get("/entities/reade", by="stranger").body["results"]
    assert shown.pop("avatar")["kind"] == "user"
    assert shown == {"name": "reader", "kind": "user", "is_robot": False}


def test_users_are_found_by_the_beginning_of_their_names(api: Api) -> None:
    assert found(api, "re", by="stranger") == [("user", "reader"), ("user", "repo-admin")]
    assert found(api, "RE%20", by="stranger") == [("user", "reader"), ("user", "repo-admin")]
    assert found(api, "eader", by="stranger") == []
    for unusual in ("%25", "_", "r%25", "re*", "☃", "*"):
        assert found(api, unusual, by="stranger") == []


def test_organizations_and_disabled_users_are_no_users(api: Api) -> None:
    assert found(api, "acm", by="stranger") == []
    with api.database.write() as session:
        user = session.query(User).where(User.name == "reader").one()
        user.enabled = False
    assert found(api, "reade", by="stranger") == []


def test_who_is_not_signed_in_finds_whole_names_only(api: Api) -> None:
    assert found(api, "reade", by=None) == []
    assert found(api, "reader", by=None) == [("user", "reader")]


def test_so_does_everybody_where_the_installation_wants_it(database: Database, tmp_path: Any) -> None:
    api = Api(make_app(make_services(database, tmp_path, FEATURE_PARTIAL_USER_AUTOCOMPLETE=False)))
    api.token("reader")
    assert found(api, "reade", by="stranger") == []
    assert found(api, "reader", by="stranger") == [("user", "reader")]


def test_members_find_teams_and_administrators_find_robots_too(api: Api) -> None:
    assert found(api, "mem", query=IN_ACME) == [("team", "members"), ("user", "member")]
    assert found(api, "mem", by="member", query=IN_ACME) == [("team", "members"), ("user", "member")]
    assert found(api, "mem", query="?namespace=acme") == [("user", "member")]
    assert found(api, "ro", query=IN_ACME) == [("user", "acme+robot"), ("user", "root")]
    assert found(api, "ro", by="member", query=IN_ACME) == [("user", "root")]
    assert found(api, "ac", query=IN_ACME) == [("org", "acme")]
    assert found(api, "ac", by="member", query=IN_ACME) == []


def test_strangers_learn_nothing_of_an_organization(api: Api) -> None:
    for by, scopes in (
        (None, ""),
        ("stranger", "org:admin user:admin"),
        ("reader", "org:admin"),
        ("owner", "repo:read"),
    ):
        rest = {"scopes": scopes} if by else {}
        for prefix in ("mem", "ro", "acme"):
            results = api.get(f"/entities/{prefix}{IN_ACME}", by=by, **rest).body["results"]
            assert {each["kind"] for each in results} <= {"user"}
            assert not any(each["is_robot"] or "is_org_member" in each for each in results)


def test_members_are_told_who_is_one(api: Api) -> None:
    results = api.get(f"/entities/re{IN_ACME}", by="member").body["results"]
    assert {each["name"]: each["is_org_member"] for each in results} == {"reader": False, "repo-admin": False}
    results = api.get(f"/entities/o{IN_ACME}", by="member").body["results"]
    assert {each["name"]: each["is_org_member"] for each in results} == {"owners": True, "owner": True}
    (robot,) = api.get(f"/entities/rob{IN_ACME}", by="owner").body["results"]
    assert (robot["is_robot"], robot["is_org_member"], robot["avatar"]["kind"]) == (True, True, "robot")


def test_one_finds_ones_own_robots_and_nobody_elses(api: Api) -> None:
    api.put("/user/robots/mine", {}, by="reader")
    assert found(api, "mi", by="reader", query="?namespace=reader") == [("user", "reader+mine")]
    assert found(api, "mi", by="stranger", query="?namespace=reader") == []
    assert found(api, "mi", by="reader", query="?namespace=reader", scopes="repo:read") == []
