"""The reads that are answered without the framework say what the views say, or nothing, and forget at once."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import delete, select, update

from api import v1
from models.access import find_account, find_repository
from models.stars import star
from models.tables import Account, OAuthToken, Organization, Permission, Repository, Team, TeamMember, User
from models.tables.base import now
from tests.factories.answers import counted
from tests.factories.api import Api
from tests.factories.hot_reads import PATHS, Hot, assert_same, hot_reads
from tests.factories.pusher import Pusher

BY = ("owner", "member", "creator", "reader", "writer", "repo-admin", "stranger", "root")
HOT = {"getLoggedInUser": 5, "getOrganization": 5, "getRepo": 7, "listRepoTags": 3}
"""How many statements each takes, of which one tells who calls."""
SHOWN = {
    "getLoggedInUser": "/user/",
    "getOrganization": "/organization/acme",
    "getRepo": "/repository/acme/app",
    "listRepoTags": "/repository/acme/app/tag/",
}


@pytest.fixture
def hot(api: Api, pusher: Pusher) -> Iterator[Hot]:
    pusher.image("v1", b"layer")
    pusher.image("v2", b"layer", b"other")
    pusher.untag("v2")
    pusher.index("list", pusher.image("v3", b"third"))
    with api.database.write() as session:
        owner, app = find_account(session, "owner"), find_repository(session, "acme", "app")
        assert isinstance(owner, User)
        assert app is not None
        star(session, owner, "acme", "app", actor=api.services.superusers.identify(owner))
    with hot_reads(api) as found:
        yield found


@pytest.mark.parametrize("by", BY)
def test_they_say_what_the_views_say(hot: Hot, by: str) -> None:
    for path in PATHS:
        assert_same(*hot.both(path, by=by))


def test_the_hot_ones_are_these() -> None:
    assert {op.name for section in v1.SECTIONS for _, _, op in section.operations if op.hot} == HOT.keys()


@pytest.mark.parametrize("name", HOT)
def test_of_the_database_they_only_ask(api: Api, hot: Hot, name: str) -> None:
    """Through the Reader, which the engine's events do not see; and no more often than is needed."""
    hot.both(SHOWN[name], by="owner")
    with counted(api) as by_the_engine:
        assert hot.ask(SHOWN[name], by="owner") is not None
    assert by_the_engine == []
    with counted(api) as by_the_view:
        assert api.get(SHOWN[name], by="owner").status == 200
    asked = [statement for statement in by_the_view if statement != "BEGIN"]
    assert len(asked) == HOT[name], "\n".join(asked)


@pytest.mark.parametrize(
    "path",
    [
        "/user/logs",
        "/repository/acme/app?includeStats=true",
        "/repository/acme/app/tag/?page=2",
        "/repository/acme/app/tag/?filter_tag_name=like:v",
        "/repository/acme/app/tag/?limit=x",
        "/repository/acme/none",
        "/repository/acme/app/",
        "/no/such/path",
        "/repository/acme/app/tag/?limit=%31",
    ],
)
def test_what_is_unusual_is_left_to_the_views(hot: Hot, path: str) -> None:
    assert hot.both(path, by="owner")[0] is None


def test_only_gets_with_a_token_are_answered(api: Api, hot: Hot) -> None:
    api.get("/user/", by="owner")
    assert hot.ask("/user/", by="owner") is not None
    assert hot.ask("/user/", by="owner", method="HEAD") is None
    assert hot.ask("/user/", by="owner", token="wrong") is None


def test_a_use_that_is_to_be_noted_is_left_to_the_views(api: Api, hot: Hot) -> None:
    assert hot.ask("/user/", by="owner") is None
    hot.both("/user/", by="owner")
    with api.database.write() as session:
        session.execute(update(OAuthToken).values(last_accessed_at=now() - timedelta(minutes=2)))
    assert hot.ask("/user/", by="owner") is None


@pytest.mark.parametrize(
    "change",
    [
        delete(OAuthToken),
        update(OAuthToken).values(expires_at=now() - timedelta(seconds=1)),
        update(OAuthToken).values(scopes="repo:create"),
        update(Account).where(Account.name == "writer").values(enabled=False),
    ],
    ids=["revoked", "expired", "other scopes", "disabled"],
)
def test_a_token_ends_with_the_next_request(api: Api, hot: Hot, change: object) -> None:
    assert hot.both("/user/", by="writer")[0] is not None
    with api.database.write() as session:
        session.execute(change)  # type: ignore[call-overload] # one of those above
    answer, view = hot.both("/user/", by="writer")
    assert answer is None
    assert view.status in {401, 403}


def test_rights_count_from_the_next_request_on(api: Api, hot: Hot) -> None:
    path = "/repository/acme/app"
    assert hot.both(path, by="reader")[0] is not None
    with api.database.write() as session:
        reader = select(Account.id).where(Account.name == "reader").scalar_subquery()
        session.execute(delete(Permission).where(Permission.account_id == reader))
    assert_same(*hot.both(path, by="reader"))
    assert hot.ask(path, by="reader") is None
    with api.database.write() as session:
        session.execute(update(Repository).where(Repository.name == "app").values(is_public=True))
    answer, view = hot.both(path, by="reader")
    assert answer is not None
    assert_same(answer, view)


def test_who_leaves_a_team_sees_it_no_more(api: Api, hot: Hot) -> None:
    answer, view = hot.both("/organization/acme", by="member")
    assert_same(answer, view)
    assert view.body["is_member"]
    with api.database.write() as session:
        acme = select(Organization.id).where(Organization.name == "acme").scalar_subquery()
        teams = select(Team.id).where(Team.organization_id == acme)
        session.execute(delete(TeamMember).where(TeamMember.team_id.in_(teams)))
    answer, view = hot.both("/organization/acme", by="member")
    assert_same(answer, view)
    assert not view.body["is_member"]
