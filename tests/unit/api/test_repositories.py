"""Repositories, tags and manifests: what is shown to whom, page by page."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from api.v1 import paging
from models.access import Identity, find_repository
from models.errors import Invalid
from models.tables import LogEntry, Star, Tag
from models.tables.base import now
from registry.services import Services
from tests.factories.api import Api
from tests.factories.images import push_image
from tests.factories.world import make_repository, make_world


@pytest.fixture
def callers(api: Api) -> dict[str, Identity]:
    with api.database.write() as session:
        return make_world(session)


@pytest.fixture
def digest(api: Api, callers: dict[str, Identity]) -> str:
    """An image of two layers in acme/app, tagged v1 and then latest."""
    config = {
        "history": [
            {"created": "2026-11-20T14:27:23.123456789Z", "created_by": "COPY a"},
            {"created": "2026-11-20T14:27:24Z", "created_by": "ENV b", "empty_layer": True},
            {"created": "nonsense", "created_by": "COPY c", "author": "me"},
        ]
    }
    with api.database.write() as session:
        repository = find_repository(session, "acme", "app")
        assert repository
        storage = api.services.storage
        manifest = push_image(
            session, storage, repository, "v1", layers=[b"12345", b"123"], config=config, actor=callers["owner"]
        )
        session.add(
            Tag(repository_id=repository.id, name="latest", manifest_id=manifest.id, start_ms=2_000_000_000_000)
        )
        return manifest.digest


def names(answer: object) -> list[str]:
    assert isinstance(answer, dict)
    return [f"{each['namespace']}/{each['name']}" for each in answer["repositories"]]


def test_lists_have_what_the_caller_may_see(api: Api, callers: dict[str, Identity]) -> None:
    assert names(api.get("/repository?namespace=acme", by="owner").body) == ["acme/app", "acme/public"]
    assert names(api.get("/repository?namespace=acme", by="reader").body) == ["acme/app"]
    assert names(api.get("/repository?namespace=acme", by="member").body) == []
    assert names(api.get("/repository?namespace=acme&public=true", by="member").body) == ["acme/public"]
    assert names(api.get("/repository?public=true").body) == ["acme/public"]
    assert names(api.get("/repository?namespace=nosuchns", by="owner").body) == []


def test_lists_show_no_more_than_the_token_covers(api: Api, callers: dict[str, Identity]) -> None:
    assert names(api.get("/repository?namespace=acme", by="owner", scopes="user:read").body) == []
    answer = api.get("/repository?namespace=acme&public=true", by="owner", scopes="user:read")
    assert names(answer.body) == ["acme/public"]


def test_stars_are_shown_to_who_gave_them(api: Api, callers: dict[str, Identity]) -> None:
    with api.database.write() as session:
        app = find_repository(session, "acme", "app")
        assert app
        session.add(Star(account_id=callers["reader"].account_id or 0, repository_id=app.id))
    assert names(api.get("/repository?starred=true", by="reader").body) == ["acme/app"]
    assert api.get("/repository?namespace=acme", by="reader").body["repositories"][0]["is_starred"] is True
    assert api.get("/repository?namespace=acme", by="owner").body["repositories"][0]["is_starred"] is False
    assert "is_starred" not in api.get("/repository?public=true").body["repositories"][0]


def test_long_lists_go_on_with_a_token(api: Api, callers: dict[str, Identity]) -> None:
    with api.database.write() as session:
        for number in range(101):
            make_repository(session, f"owner/many{number}", actor=callers["owner"])
    first = api.get("/repository?namespace=owner", by="owner").body
    assert len(first["repositories"]) == 100
    token = first["next_page"]
    second = api.get("/repository", query_string={"namespace": "owner", "next_page": token}, by="owner").body
    assert names(second) == ["owner/many100"]
    assert "next_page" not in second
    for query in ({"namespace": "acme"}, {"namespace": "owner", "public": "true"}):
        answer = api.get("/repository", query_string={**query, "next_page": token}, by="owner")
        assert answer.status == 400
        assert answer.body["detail"].startswith("next_page: ")


def test_page_tokens_expire(services: Services) -> None:
    old = paging.next_page(services.settings, 5, "q", lifetime_s=-1)
    with pytest.raises(Invalid, match="expired"):
        paging.page_start(services.settings, old, "q")
    assert paging.page_start(services.settings, paging.next_page(services.settings, 5, "q"), "q") == 5


def test_a_repository_is_shown_with_its_tags(api: Api, digest: str) -> None:
    shown = api.get("/repository/acme/app", by="reader").body
    assert shown["tags"].keys() == {"v1", "latest"}
    assert shown["tags"]["latest"] == {
        "name": "latest",
        "size": 8,
        "last_modified": "Wed, 18 May 2033 03:33:20 -0000",
        "manifest_digest": digest,
        "image_id": digest.partition(":")[2],
    }
    assert (shown["can_write"], shown["can_admin"], shown["is_organization"]) == (False, False, True)
    assert len(shown["status_token"]) == 36
    assert api.get("/repository/acme/public").body["status_token"] == ""


def test_statistics_count_the_days_before_today(api: Api, callers: dict[str, Identity]) -> None:
    with api.database.write() as session:
        app = find_repository(session, "acme", "app")
        assert app
        yesterday = now() - timedelta(days=1)
        for _ in range(3):
            session.add(LogEntry(kind="pull_repo", repository_id=app.id, at=yesterday, detail={}))
    days = api.get("/repository/acme/app?includeStats=true", by="owner").body["stats"]
    assert len(days) == 91
    assert days[0] == {"date": yesterday.date().isoformat(), "count": 3}
    assert sum(day["count"] for day in days[1:]) == 0
    listed = api.get("/repository?namespace=acme&popularity=true&last_modified=true", by="owner").body
    assert listed["repositories"][0]["popularity"] == 8.0  # three pulls, its creation and four permissions
    assert listed["repositories"][0]["last_modified"] is None


def test_nested_names_do_not_hide_what_is_below_a_repository(api: Api, callers: dict[str, Identity]) -> None:
    with api.database.write() as session:
        make_repository(session, "owner/deep/er/name", actor=callers["owner"])
    assert api.get("/repository/owner/deep/er/name", by="owner").body["name"] == "deep/er/name"
    assert api.get("/repository/owner/deep/er/name/tag/", by="owner").body["tags"] == []
    assert api.get("/repository/owner/deep/er/name/build/", by="owner").body == {"builds": []}
    assert set(api.get("/repository/owner/deep/er/name/permissions/user/", by="owner").body["permissions"]) == {"owner"}
    assert (
        api.post("/repository/owner/deep/er/name/changevisibility", {"visibility": "public"}, by="owner").status == 200
    )
    assert api.get("/repository/owner/deep/er/name").body["is_public"] is True


def test_a_slash_in_a_path_may_be_escaped(api: Api, callers: dict[str, Identity]) -> None:
    assert api.get("/repository/acme%2Fapp", by="owner").body["name"] == "app"  # as Swagger UI sends it


def test_nested_names_follow_rules(api: Api, callers: dict[str, Identity]) -> None:
    assert api.post("/repository", {"repository": "a/../b"}, by="owner").status == 400
    assert api.post("/repository", {"repository": "a//b"}, by="owner").status == 400


def test_tags_are_listed_with_their_history(api: Api, digest: str) -> None:
    answer = api.get("/repository/acme/app/tag/", by="reader").body
    assert [tag["name"] for tag in answer["tags"]] == ["latest", "v1"]
    assert answer["tags"][0] == {
        "name": "latest",
        "reversion": False,
        "immutable": False,
        "start_ts": 2_000_000_000,
        "manifest_digest": digest,
        "is_manifest_list": False,
        "docker_image_id": digest.partition(":")[2],
        "image_id": digest.partition(":")[2],
        "size": 8,
        "last_modified": "Wed, 18 May 2033 03:33:20 -0000",
    }
    with api.database.write() as session:
        tag = session.scalars(select(Tag).where(Tag.name == "v1")).one()
        tag.end_ms = 1_900_000_000_500
    ended = api.get("/repository/acme/app/tag/?specificTag=v1", by="reader").body["tags"]
    assert [tag["end_ts"] for tag in ended] == [1_900_000_000]
    assert ended[0]["expiration"] == "Sun, 17 Mar 2030 17:46:40 -0000"
    assert api.get("/repository/acme/app/tag/?onlyActiveTags=true&specificTag=v1", by="reader").body["tags"] == []


@pytest.mark.parametrize(
    ("query", "found", "more"),
    [
        ("limit=1", ["latest"], True),
        ("limit=1&page=2", ["v1"], False),
        ("filter_tag_name=like:at", ["latest"], False),
        ("filter_tag_name=eq:v1", ["v1"], False),
        ("filter_tag_name=eq:v", [], False),
    ],
)
def test_tags_are_filtered_and_paged(api: Api, digest: str, query: str, found: list[str], more: bool) -> None:
    answer = api.get(f"/repository/acme/app/tag/?{query}", by="reader").body
    assert ([tag["name"] for tag in answer["tags"]], answer["has_additional"]) == (found, more)


def test_a_bad_filter_says_what_is_expected(api: Api, digest: str) -> None:
    answer = api.get("/repository/acme/app/tag/?filter_tag_name=v1", by="reader")
    assert (answer.status, answer.body["detail"]) == (400, "filter_tag_name: expected like:text or eq:text, got 'v1'")


def test_a_manifest_is_shown_with_its_history(api: Api, digest: str) -> None:
    shown = api.get(f"/repository/acme/app/manifest/{digest}", by="reader").body
    assert shown["layers_compressed_size"] == 8
    assert shown["manifest_data"].startswith('{"schemaVersion": 2')
    assert [(layer["command"], layer["compressed_size"]) for layer in shown["layers"]] == [
        (["COPY a"], 5),
        (["ENV b"], 32),
        (["COPY c"], 3),
    ]
    assert shown["layers"][0]["created_datetime"] == "Fri, 20 Nov 2026 14:27:23 -0000"
    assert (shown["layers"][2]["created_datetime"], shown["layers"][2]["author"]) == (None, "me")


def test_changes_are_in_the_action_log(api: Api, callers: dict[str, Identity]) -> None:
    api.post("/repository", {"namespace": "acme", "repository": "logged"}, by="creator")
    api.put("/repository/acme/logged", {"description": "x"}, by="creator")
    api.post("/repository/acme/logged/changevisibility", {"visibility": "public"}, by="creator")
    api.delete("/repository/acme/logged", by="creator")
    with api.database.read() as session:
        entries = session.scalars(select(LogEntry).where(LogEntry.performer == "creator").order_by(LogEntry.id)).all()
        kinds = [entry.kind for entry in entries]
        assert kinds[-4:] == ["create_repo", "set_repo_description", "change_repo_visibility", "delete_repo"]
        assert entries[-1].detail["repo"] == "logged"
        assert entries[-1].ip == "127.0.0.1"
