"""Who belongs to an organization."""

from sqlalchemy import select

from models import permissions
from models.access import find_repository
from models.tables import Permission, TeamMember
from tests.contract.exchanges import PROBLEM, Exchange, play
from tests.factories.accounts import identity_of, make_user
from tests.factories.api import Api

E = Exchange
MEMBER = {"name", "kind", "avatar", "teams", "repositories"}
SCRIPT = [
    E("GET", "/organization/acme/members", 200, {"members"}),
    E("GET", "/organization/nosuchorg/members", 403, PROBLEM),
    E("GET", "/organization/acme/members/member", 200, MEMBER),
    E("GET", "/organization/acme/members/acme+robot", 200, MEMBER),
    E("GET", "/organization/acme/members/stranger", 404, PROBLEM),
    E("GET", "/organization/acme/members/nosuchuser", 404, PROBLEM),
    E("GET", "/organization/acme/members/acme", 404, PROBLEM),
    E("GET", "/organization/nosuchorg/members/member", 403, PROBLEM),
    E("GET", "/organization/acme/collaborators", 200, {"collaborators"}),
    E("GET", "/organization/nosuchorg/collaborators", 403, PROBLEM),
    E("DELETE", "/organization/acme/members/nosuchuser", 404, PROBLEM),
    E("DELETE", "/organization/acme/members/acme+robot", 404, PROBLEM),
    E("DELETE", "/organization/acme/members/owner", 400, PROBLEM),
    E("DELETE", "/organization/acme/members/member", 204),
    E("DELETE", "/organization/acme/members/stranger", 204),
    E("GET", "/organization/acme/members/member", 404, PROBLEM),
    E("GET", "/organization/acme/members", 403, PROBLEM, by="creator"),
    E("GET", "/organization/acme/collaborators", 403, PROBLEM, by="stranger"),
]


def test_exchanges_are_as_recorded(api: Api) -> None:
    play(api, SCRIPT)


def test_members_are_the_people_in_teams_with_their_own_permissions(api: Api) -> None:
    api.put("/organization/acme/team/members/members/reader", by="owner")
    api.put("/organization/acme/team/creators/members/reader", by="owner")
    api.put("/organization/acme/team/creators/members/acme+robot", by="owner")
    found = {each["name"]: each for each in api.get("/organization/acme/members", by="owner").body["members"]}
    assert list(found) == ["creator", "member", "owner", "reader"]
    assert [team["name"] for team in found["reader"]["teams"]] == ["members", "creators"]
    assert {team["avatar"]["kind"] for team in found["reader"]["teams"]} == {"team"}
    assert found["reader"]["repositories"] == ["app"]
    assert found["member"]["repositories"] == []
    assert found["owner"] == api.get("/organization/acme/members/owner", by="owner").body


def test_a_robot_of_the_organization_is_shown_by_name_only(api: Api) -> None:
    robot = api.get("/organization/acme/members/acme+robot", by="owner").body
    assert (robot["kind"], robot["teams"], robot["repositories"]) == ("robot", [], ["app"])


def test_collaborators_are_people_with_permissions_who_are_in_no_team(api: Api) -> None:
    with api.database.write() as session:
        repository = find_repository(session, "acme", "app")
        assert repository is not None
        somebody = identity_of(make_user(session, "somebody"))
        permissions.put_user_permission(session, repository, "member", "read", actor=somebody)
    found = api.get("/organization/acme/collaborators", by="owner").body["collaborators"]
    assert [each["name"] for each in found] == ["reader", "repo-admin", "writer"]
    assert all(each["repositories"] == ["app"] and each["kind"] == "user" for each in found)


def test_who_is_removed_loses_teams_and_permissions_and_the_log_tells_both(api: Api) -> None:
    api.put("/organization/acme/team/members/members/writer", by="owner")
    assert api.delete("/organization/acme/members/writer", by="owner").status == 204
    assert api.get("/repository/acme/app", by="writer").status == 403
    assert api.logged("org_remove_team_member", "delete_repo_permission") == [
        ("org_remove_team_member", "owner", {"namespace": "acme", "team": "members", "member": "writer"}),
        ("delete_repo_permission", "owner", {"namespace": "acme", "repo": "app", "username": "writer"}),
    ]


def test_the_last_administrator_stays_with_everything(api: Api) -> None:
    api.put("/organization/acme/team/members/members/owner", by="owner")
    with api.database.read() as session:
        before = [len(session.scalars(select(table)).all()) for table in (TeamMember, Permission)]
    refused = api.delete("/organization/acme/members/owner", by="owner")
    assert (refused.status, refused.body["detail"]) == (
        400,
        "Cannot remove user as they are the only organization admin",
    )
    with api.database.read() as session:
        assert [len(session.scalars(select(table)).all()) for table in (TeamMember, Permission)] == before
