"""Search: what it finds, in which order, and what it never tells."""

from typing import Any

import pytest
from sqlalchemy import delete, select, update

from models import search, terms
from models.activity import rank_repositories
from models.tables import LogCount, Repository, RepositoryTerm
from models.tables.base import now
from tests.contract.exchanges import PROBLEM, Exchange, play
from tests.factories.api import Api

E = Exchange
PAGE = {"results", "has_additional", "page", "page_size", "start_index"}
SCRIPT = [
    E("GET", "/find/all?query=app", 200, {"results"}),
    E("GET", "/find/all", 200, {"results"}),
    E("GET", "/find/all?query=app", 200, {"results"}, by=None),
    E("GET", "/find/repositories?query=app", 200, PAGE),
    E("GET", "/find/repositories", 200, PAGE),
    E("GET", "/find/repositories?query=app&page=100", 200, PAGE),
    E("GET", "/find/repositories?query=app&page=x", 400, PROBLEM),
    E("GET", "/find/repositories?query=app&includeUsage=false", 200, PAGE),
    E("GET", "/find/repositories?query=app", 200, PAGE, by=None),
]
OF_COMMON_WORDS = ["rare", "common"]


@pytest.fixture(params=OF_COMMON_WORDS)
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Which way of looking is tried: as for what few repositories match, or as for what many do."""
    if request.param == "common":
        monkeypatch.setattr(search, "FEW", 0)
    return str(request.param)


def create(api: Api, name: str, *, description: str = "", public: bool = True, namespace: str = "acme") -> None:
    visibility = "public" if public else "private"
    body = {"namespace": namespace, "repository": name, "visibility": visibility, "description": description}
    assert api.post("/repository", body, by="owner").status == 201


def found(api: Api, query: str, by: str | None = "owner", **rest: Any) -> list[str]:
    body = api.get("/find/repositories", by=by, query_string={"query": query}, **rest).body
    return [f"{each['namespace']['name']}/{each['name']}" for each in body["results"]]


def test_exchanges_are_as_recorded(api: Api) -> None:
    play(api, SCRIPT)


def test_a_repository_is_shown_as_in_quay(api: Api) -> None:
    (shown,) = api.get("/find/repositories?query=app", by="owner").body["results"]
    namespace = shown.pop("namespace")
    assert shown == {
        "kind": "repository",
        "title": "repo",
        "name": "app",
        "description": "",
        "is_public": False,
        "score": 4,
        "href": "/repository/acme/app",
    }
    assert namespace.pop("avatar")["kind"] == "org"
    assert namespace == {
        "title": "org",
        "kind": "organization",
        "name": "acme",
        "score": 1,
        "href": "/organization/acme",
    }


@pytest.mark.usefixtures("path")
def test_parts_of_names_and_words_of_descriptions_are_found(api: Api) -> None:
    create(api, "my-frontend", description="Shows the Shop, 100%_sure")
    for query in ("my-frontend", "front", "ront", "my-f", "end", "FRONT", "  shop ", "sho", "the shop", "100%_s", "nd"):
        assert found(api, query) == ["acme/my-frontend"], query
    for query in ("hop shows", "frontends", "%", "_", "m%d", "my_front", "☃"):
        assert found(api, query) in ([], ["acme/my-frontend"] if query in "%_" else []), query


@pytest.mark.usefixtures("path")
def test_nobody_finds_what_they_may_not_see(api: Api) -> None:
    for query in ("app", "ap", "pp", "acme/a", ""):
        for by in (None, "stranger", "member", "creator"):
            assert "acme/app" not in found(api, query, by=by)
            assert "app" not in [each["name"] for each in api.get(f"/find/all?query={query}", by=by).body["results"]]
        for by in ("reader", "writer", "owner"):
            assert "acme/app" in found(api, query, by=by)
    assert found(api, "app", by="reader", scopes="user:admin org:admin") == []
    assert found(api, "pub", by="stranger", scopes="user:read") == ["acme/public"]


@pytest.mark.usefixtures("path")
def test_a_permission_through_a_team_and_a_namespace_of_ones_own_count(api: Api) -> None:
    api.put("/repository/acme/app/permissions/team/members", {"role": "read"}, by="owner")
    assert found(api, "app", by="member") == ["acme/app"]
    create(api, "mine-app", public=False, namespace="owner")
    assert found(api, "mine", by="owner") == ["owner/mine-app"]
    assert found(api, "mine", by="member") == []


@pytest.mark.usefixtures("path")
def test_the_same_name_comes_first_then_names_by_popularity_then_descriptions(api: Api) -> None:
    for name, description in (("other", "all about web"), ("web-2", ""), ("old-web", ""), ("web", "")):
        create(api, name, description=description)
    assert found(api, "web") == ["acme/web", "acme/web-2", "acme/old-web", "acme/other"]
    with api.database.write() as session:
        session.execute(update(Repository).where(Repository.name.in_(["old-web", "other"])).values(search_rank=-5))
    assert found(api, "web") == ["acme/web", "acme/old-web", "acme/web-2", "acme/other"]


def test_without_a_query_the_popular_ones_come_first(api: Api) -> None:
    create(api, "loved")
    with api.database.write() as session:
        session.execute(update(Repository).where(Repository.name == "loved").values(search_rank=-5))
    assert found(api, "") == ["acme/loved", "acme/app", "acme/public"]
    assert found(api, "", by=None) == ["acme/loved", "acme/public"]


def test_a_namespace_and_the_beginning_of_a_name(api: Api) -> None:
    create(api, "nested/tool")
    assert found(api, "acme/app") == ["acme/app"]
    assert found(api, "acme/") == ["acme/app", "acme/public", "acme/nested/tool"]
    assert found(api, "nested/to") == ["acme/nested/tool"]
    assert found(api, "acme/app", by="stranger") == []


@pytest.mark.usefixtures("path")
def test_results_come_in_ten_pages(api: Api) -> None:
    for number in range(13):
        create(api, f"page{number:02}")
    first = api.get("/find/repositories?query=page", by="stranger").body
    second = api.get("/find/repositories?query=page&page=2", by="stranger").body
    assert [each["name"] for each in first["results"]] == [f"page{number:02}" for number in range(10)]
    assert [each["name"] for each in second["results"]] == ["page10", "page11", "page12"]
    assert (first["has_additional"], first["start_index"]) == (True, 0)
    assert {**second, "results": []} == {
        "results": [], "has_additional": False, "page": 2, "page_size": 10, "start_index": 10,
    }  # fmt: skip
    last = api.get("/find/repositories?query=page&page=100", by="stranger").body
    assert last == {"results": [], "has_additional": False, "page": 10, "page_size": 10, "start_index": 90}


def test_usage_is_told_where_it_is_asked_for(api: Api) -> None:
    create(api, "tool")
    api.post("/user/starred", {"namespace": "acme", "repository": "tool"}, by="stranger")
    (shown,) = api.get("/find/repositories?query=tool&includeUsage=true", by="reader").body["results"]
    assert (shown["stars"], shown["popularity"]) == (1, 1.0)
    assert "last_modified" not in shown  # there is no tag yet


def test_everything_is_found_with_quays_scores(api: Api) -> None:
    create(api, "memo")
    api.put("/organization/acme/robots/mebot", {}, by="owner")
    results = api.get("/find/all?query=me", by="owner").body["results"]
    assert [(each["kind"], each["name"], each["score"]) for each in results] == [
        ("repository", "memo", pytest.approx(4 * 0.95)),
        ("team", "members", pytest.approx(2 * (2 + 5 * 0.9) / 7)),
        ("robot", "acme+mebot", pytest.approx((2 + 3 * 0.9) / 5)),
    ]
    team, robot = results[1:]
    assert (team["organization"]["name"], team["href"]) == ("acme", "/organization/acme/teams/members")
    assert (robot["avatar"], robot["short_name"]) == (None, "mebot")
    assert robot["href"] == "/organization/acme?tab=robots&showRobot=acme+mebot"
    api.put("/user/robots/mebot", {}, by="member")
    (own,) = (each for each in api.get("/find/all?query=meb", by="member").body["results"] if each["kind"] == "robot")
    assert own["href"] == "/user/member?tab=robots&showRobot=member+mebot"


def test_what_is_found_only_by_its_description_scores_half(api: Api) -> None:
    create(api, "tool", description="a saw")
    (result,) = api.get("/find/all?query=saw", by="stranger").body["results"]
    assert result["score"] == 2.0


def test_teams_and_robots_are_found_by_those_concerned_only(api: Api) -> None:
    def kinds(by: str | None, query: str, **rest: Any) -> list[tuple[str, str]]:
        results = api.get(f"/find/all?query={query}", by=by, **rest).body["results"]
        return [(each["kind"], each["name"]) for each in results if each["kind"] in ("team", "robot")]

    assert kinds("member", "mem") == [("team", "members")]
    assert kinds("member", "crea") == []
    assert kinds("owner", "crea") == [("team", "creators")]
    assert kinds("owner", "ro") == [("robot", "acme+robot")]
    for by in (None, "stranger", "reader", "member", "creator"):
        assert kinds(by, "ro") == []
    assert kinds("owner", "mem", scopes="repo:read") == []
    assert kinds("owner", "ro", scopes="repo:read user:admin") == []


def test_namespaces_are_found_by_those_who_see_something_in_them(api: Api) -> None:
    def names(by: str | None, query: str = "ac") -> list[str]:
        results = api.get(f"/find/all?query={query}", by=by).body["results"]
        return [each["name"] for each in results if each["kind"] in ("organization", "user")]

    assert names(None) == names("stranger") == ["acme"]
    api.post("/repository/acme/public/changevisibility", {"visibility": "private"}, by="owner")
    assert names(None) == names("stranger") == []
    assert names("reader") == names("member") == names("owner") == ["acme"]
    assert names("reader", "reade") == ["reader"]
    assert names("stranger", "reade") == []


def test_a_changed_description_is_found_and_the_old_one_is_not(api: Api) -> None:
    create(api, "tool", description="a saw")
    api.put("/repository/acme/tool", {"description": "a hammer"}, by="owner")
    assert (found(api, "hammer"), found(api, "saw")) == (["acme/tool"], [])


def test_what_is_deleted_is_found_no_more(api: Api) -> None:
    create(api, "tool")
    api.delete("/repository/acme/tool", by="owner")
    assert found(api, "tool") == []
    with api.database.read() as session:
        assert session.scalars(select(RepositoryTerm).where(RepositoryTerm.term == "tool")).all() == []


def test_what_a_version_before_has_created_becomes_findable(api: Api) -> None:
    create(api, "tool")
    with api.database.write() as session:
        session.execute(delete(RepositoryTerm))
    terms.index_missing(api.database)
    assert found(api, "oo") == ["acme/tool"]


def test_popularity_follows_the_counts_of_a_month(api: Api) -> None:
    create(api, "tool")
    with api.database.write() as session:
        tool, app = session.scalars(
            select(Repository.id).where(Repository.name.in_(["tool", "app"])).order_by(Repository.name.desc())
        )
        for id_, number in ((tool, 7), (app, 3)):
            count = LogCount(
                subject="repository", subject_id=id_, performer="", day=now().date(), kind="pull_repo", number=number
            )
            session.add(count)
    rank_repositories(api.database)
    assert found(api, "") == ["acme/tool", "acme/app", "acme/public"]
    with api.database.write() as session:
        session.execute(delete(LogCount))
    rank_repositories(api.database)
    assert found(api, "") == ["acme/app", "acme/public", "acme/tool"]
