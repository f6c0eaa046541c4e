"""Users, organizations, teams, robots and superusers over HTTP: what is shown to whom, and how."""

import hashlib

import pytest

from models.access import Identity
from tests.factories.accounts import make_user
from tests.factories.api import Api
from tests.factories.world import make_world


@pytest.fixture(autouse=True)
def callers(api: Api) -> dict[str, Identity]:
    with api.database.write() as session:
        return make_world(session)


def test_an_avatar_follows_from_the_address_as_in_quay(api: Api) -> None:
    avatar = api.get("/user/", by="owner").body["avatar"]
    digest = hashlib.sha256(b"owner@example.com").hexdigest()
    assert (avatar["name"], avatar["hash"], avatar["kind"]) == ("owner", digest, "user")
    owners = api.get("/organization/acme", by="owner").body["teams"]["owners"]["avatar"]
    assert owners["hash"] == "6f0e3a8c0eb46e8834b43b03374ece43a030621d92a7437beb48f871e90f8d90"
    assert (owners["color"], owners["kind"]) == ("#c7c7c7", "team")


def test_a_token_that_may_only_read_the_account_sees_less_of_it(api: Api) -> None:
    shown = api.get("/user/", by="owner", scopes="user:read").body
    assert (shown["username"], shown["email"]) == ("owner", "owner@example.com")
    assert "invoice_email" not in shown
    assert api.get("/user/", by="owner", scopes="user:admin").status == 403


def test_the_account_lists_its_organizations(api: Api) -> None:
    (acme,) = api.get("/user/", by="creator").body["organizations"]
    assert (acme["name"], acme["can_create_repo"], acme["is_org_admin"]) == ("acme", True, False)
    (acme,) = api.get("/user/", by="member").body["organizations"]
    assert (acme["can_create_repo"], acme["is_org_admin"]) == (False, False)
    assert api.get("/user/", by="stranger").body["organizations"] == []


def test_an_organization_shows_members_its_teams_and_nobody_else(api: Api) -> None:
    api.put("/organization/acme", {"email": "acme@example.com"}, by="owner")
    for by in (None, "stranger"):
        shown = api.get("/organization/acme", by=by).body
        assert (shown["is_member"], shown["email"]) == (False, "")
        assert "teams" not in shown
    shown = api.get("/organization/acme", by="member").body
    assert (shown["is_member"], shown["is_admin"], shown["email"]) == (True, False, "")
    assert {name: team["can_view"] for name, team in shown["teams"].items()} == {
        "owners": False,
        "members": True,
        "creators": False,
    }
    shown = api.get("/organization/acme", by="owner").body
    assert (shown["email"], shown["ordered_teams"]) == ("acme@example.com", ["owners", "members", "creators"])
    assert api.get("/organization/acme", by="owner", scopes="repo:admin").body["is_member"] is False


def test_an_organization_keeps_its_name(api: Api) -> None:
    assert api.put("/organization/acme", {"name": "acme"}, by="owner").status == 200
    answer = api.put("/organization/acme", {"name": "other"}, by="owner")
    assert (answer.status, answer.body["detail"]) == (400, "name: an organization cannot be renamed")


def test_tag_expiration_is_one_of_the_options(api: Api) -> None:
    assert api.put("/organization/acme", {"tag_expiration_s": 86400}, by="owner").body["tag_expiration_s"] == 86400
    answer = api.put("/organization/acme", {"tag_expiration_s": 1}, by="owner")
    assert answer.body["detail"] == "tag_expiration_s: expected the seconds of one of 0s, 1d, 1w, 2w, 4w"


def test_members_see_their_own_team_only(api: Api) -> None:
    shown = api.get("/organization/acme/team/members/members", by="member").body
    assert [member["name"] for member in shown["members"]] == ["member"]
    assert shown["can_edit"] is False
    assert api.get("/organization/acme/team/owners/members", by="member").status == 403
    assert api.get("/organization/acme/team/none/members", by="member").status == 403
    assert api.get("/organization/acme/team/none/members", by="owner").status == 404


def test_invoices_go_to_the_organizations_own_address_again(api: Api) -> None:
    def address(change: dict[str, str | None]) -> object:
        return api.put("/organization/acme", change, by="owner").body["invoice_email_address"]

    assert address({"invoice_email_address": "money@example.com"}) == address({}) == "money@example.com"
    assert address({"invoice_email_address": None}) is None


def test_robots_are_listed_with_or_without_what_opens_doors(api: Api) -> None:
    robots = api.get("/organization/acme/robots", by="owner").body["robots"]
    assert [len(robot["token"]) for robot in robots] == [64, 64]
    assert "teams" not in robots[0]
    robots = api.get("/organization/acme/robots?token=false&permissions=true&limit=1", by="owner").body["robots"]
    assert [(robot["name"], robot["repositories"], robot["teams"]) for robot in robots] == [("acme+robot", ["app"], [])]
    assert "token" not in robots[0]
    (seen, _) = api.get("/organization/acme/robots?token=true&permissions=true", by="member").body["robots"]
    assert (seen["name"], seen.keys() & {"token", "repositories", "teams"}) == ("acme+robot", set())


def test_regenerating_changes_the_token(api: Api) -> None:
    old = api.put("/user/robots/bot", by="owner").body["token"]
    assert api.post("/user/robots/bot/regenerate", by="owner").body["token"] != old


def test_robots_of_others_are_out_of_reach(api: Api) -> None:
    assert api.get("/organization/acme/robots/robot", by="member").status == 403
    assert api.get("/user/robots/robot", by="owner").status == 400


def test_a_created_user_gets_a_password_that_is_shown_once(api: Api) -> None:
    made = api.post("/superuser/users/", {"username": "fresh"}, by="root").body
    assert len(made["password"]) == 32
    shown = api.get("/superuser/users/fresh", by="root").body
    assert "password" not in shown
    assert (shown["super_user"], shown["enabled"]) == (False, True)


def test_a_short_password_is_refused_and_not_repeated(api: Api) -> None:
    answer = api.put("/superuser/users/stranger", {"password": "hunter2"}, by="root")
    assert answer.status == 400
    assert "hunter2" not in answer.text
    answer = api.put("/superuser/users/stranger", {"password": 1234567}, by="root")
    assert answer.body["detail"] == "password: expected a string"


def test_a_disabled_user_is_out_at_once(api: Api) -> None:
    assert api.get("/user/", by="stranger").status == 200
    assert api.put("/superuser/users/stranger", {"enabled": False}, by="root").body["enabled"] is False
    assert api.get("/user/", by="stranger").status == 401


@pytest.mark.parametrize("change", [{"password": "a new password"}, {"email": "mine@example.com"}])
def test_what_a_superuser_signs_in_by_is_not_changed_by_a_token_or_a_colleague(
    api: Api, change: dict[str, str]
) -> None:
    assert api.put("/superuser/users/root", change, by="root", scopes="super:user").status == 400
    with api.database.write() as session:
        make_user(session, "colleague", superuser=True)
    assert api.put("/superuser/users/colleague", change | {"enabled": False}, by="root").status == 400
    assert api.put("/superuser/users/colleague", {"enabled": False}, by="root").body["enabled"] is False


def test_superusers_are_not_deleted_and_users_are_paged(api: Api) -> None:
    assert api.delete("/superuser/users/root", by="root").status == 400
    first = api.get("/superuser/users/?limit=5", by="root").body
    rest = api.get("/superuser/users/", query_string={"next_page": first["next_page"]}, by="root").body
    names = [user["name"] for user in first["users"] + rest["users"]]
    assert len(names) == len(set(names)) == 8
    assert "next_page" not in rest
