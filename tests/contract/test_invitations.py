"""Invitations to teams, with and without mail."""

import json
import re
from typing import Any

import pytest
from sqlalchemy import select, update

from models import invitations
from models.session import Database
from models.tables import Delivery, Invitation, Team, TeamMember, User, UserNotification
from models.tables.base import now
from tests.contract.exchanges import PROBLEM, Exchange, play
from tests.factories.api import Api, make_app, make_services
from tests.factories.world import make_world

E = Exchange
TEAM = "/organization/acme/team/members"
ADDRESS = "someone@example.com"
INVITED = {"email", "kind", "avatar", "invited"}
MEMBER = {"name", "kind", "is_robot", "avatar", "invited"}
SCRIPT = [
    E("PUT", f"{TEAM}/invite/{ADDRESS}", 200, INVITED),
    E("PUT", f"{TEAM}/invite/{ADDRESS}", 200, INVITED),
    E("PUT", f"{TEAM}/invite/notanemail", 200, INVITED),
    E("PUT", f"{TEAM}/invite/{'x' * 256}", 400, PROBLEM),
    E("PUT", f"/organization/acme/team/nosuchteam/invite/{ADDRESS}", 404, PROBLEM),
    E("PUT", f"/organization/nosuchorg/team/x/invite/{ADDRESS}", 403, PROBLEM),
    E("PUT", f"{TEAM}/invite/{ADDRESS}", 403, PROBLEM, by="member"),
    E("GET", f"{TEAM}/members?includePending=true", 200, {"name", "members", "can_edit"}),
    E("DELETE", f"{TEAM}/invite/{ADDRESS}", 403, PROBLEM, by="member"),
    E("DELETE", f"{TEAM}/invite/{ADDRESS}", 204),
    E("DELETE", f"{TEAM}/invite/{ADDRESS}", 204),
    E("DELETE", f"/organization/acme/team/nosuchteam/invite/{ADDRESS}", 404, PROBLEM),
    E("PUT", "/teaminvite/nosuchcode", 400, PROBLEM),
    E("DELETE", "/teaminvite/nosuchcode", 400, PROBLEM),
    E("PUT", "/teaminvite/nosuchcode", 401, PROBLEM, by=None),
]


@pytest.fixture
def mailing(database: Database, tmp_path: Any) -> Api:
    """The company on an installation that sends mail."""
    with database.write() as session:
        make_world(session)
    return Api(make_app(make_services(database, tmp_path, FEATURE_MAILING=True)))


def mails(api: Api) -> list[dict[str, str]]:
    with api.database.read() as session:
        rows = session.scalars(select(Delivery).order_by(Delivery.id))
        return [json.loads(session.vault.decrypt(row.encrypted_message or "")) for row in rows]


def mailed_code(api: Api) -> str:
    """The code in the last mail."""
    found = re.search(r"http://localhost:8080/confirminvite\?code=(\w+)", mails(api)[-1]["text"])
    assert found
    return found[1]


def pending(api: Api, team: str = TEAM) -> list[str]:
    members = api.get(f"{team}/members?includePending=true", by="owner").body["members"]
    return [each.get("name") or each["email"] for each in members if each["invited"]]


def notices(api: Api, name: str) -> list[dict[str, Any]]:
    with api.database.read() as session:
        query = select(UserNotification.detail).join(User, User.id == UserNotification.account_id)
        return list(session.scalars(query.where(User.name == name, UserNotification.kind == "org_team_invite")))


def test_exchanges_are_as_recorded(api: Api) -> None:
    play(api, SCRIPT)


def test_who_is_new_to_the_organization_is_invited_where_mail_is_sent(mailing: Api) -> None:
    answer = mailing.put(f"{TEAM}/members/stranger", by="owner")
    assert (answer.status, answer.body["name"], answer.body["invited"]) == (200, "stranger", True)
    assert mailing.get("/organization/acme", by="stranger").body["is_member"] is False
    assert pending(mailing) == ["stranger"]
    assert "stranger" not in mailing.get(f"{TEAM}/members", by="owner").text
    (mail,) = mails(mailing)
    assert mail["to"] == "stranger@example.com"
    assert "team members of the organization acme" in mail["text"]
    accepted = mailing.put(f"/teaminvite/{mailed_code(mailing)}", by="stranger")
    assert (accepted.status, accepted.body) == (200, {"org": "acme", "team": "members"})
    assert mailing.get("/organization/acme", by="stranger").body["is_member"] is True
    assert pending(mailing) == []
    assert mailing.put(f"/teaminvite/{mailed_code(mailing)}", by="stranger").status == 400


def test_members_and_robots_are_added_at_once(mailing: Api) -> None:
    for name in ("creator", "acme+robot"):
        assert mailing.put(f"{TEAM}/members/{name}", by="owner").body["invited"] is False
    assert (mails(mailing), pending(mailing)) == ([], [])
    assert mailing.put(f"{TEAM}/members/nosuchuser", by="owner").status == 400


def test_without_mail_or_by_wish_everybody_is_added_at_once(api: Api, database: Database, tmp_path: Any) -> None:
    assert api.put(f"{TEAM}/members/stranger", by="owner").body["invited"] is False
    settings = {"FEATURE_MAILING": True, "FEATURE_REQUIRE_TEAM_INVITE": False}
    other = Api(make_app(make_services(database, tmp_path, **settings)))
    assert other.put(f"{TEAM}/members/reader", by="owner").body["invited"] is False


def test_nobody_else_can_answer_an_invitation(mailing: Api) -> None:
    mailing.put(f"{TEAM}/members/stranger", by="owner")
    code = mailed_code(mailing)
    for method in ("PUT", "DELETE"):
        answer = mailing.call(method, f"/teaminvite/{code}", by="reader")
        assert (answer.status, answer.body["detail"]) == (400, "Invalid confirmation code.")
    assert mailing.put(f"/teaminvite/{code}", by="stranger", scopes="org:admin repo:admin").status == 403
    assert pending(mailing) == ["stranger"]


def test_an_address_is_accepted_by_the_user_who_has_shown_that_it_is_theirs(mailing: Api) -> None:
    answer = mailing.put(f"{TEAM}/invite/reader@example.com", by="owner")
    assert (answer.body["kind"], answer.body["avatar"]["kind"], answer.body["invited"]) == ("invite", "user", True)
    assert pending(mailing) == ["reader@example.com"]
    code = mailed_code(mailing)
    set_verified(mailing, "reader", verified=False)
    assert mailing.put(f"/teaminvite/{code}", by="reader").status == 400
    set_verified(mailing, "reader", verified=True)
    assert mailing.put(f"/teaminvite/{code}", by="writer").status == 400
    assert mailing.put(f"/teaminvite/{code}", by="reader").status == 200
    assert pending(mailing) == []


def set_verified(api: Api, name: str, *, verified: bool) -> None:
    with api.database.write() as session:
        session.execute(update(User).where(User.name == name).values(verified=verified))


def test_accepting_one_invitation_accepts_those_of_the_same_organization(mailing: Api) -> None:
    mailing.put("/organization/acme/team/creators/invite/stranger@example.com", by="owner")
    mailing.put(f"{TEAM}/members/stranger", by="owner")
    mailing.post("/organization/", {"name": "other", "email": "o@example.com"}, by="reader")
    mailing.put("/organization/other/team/owners/members/stranger", by="reader")
    other = mailed_code(mailing)
    (code,) = (each["code"] for each in notices(mailing, "stranger") if each["team"] == "members")
    assert mailing.put(f"/teaminvite/{code}", by="stranger").status == 200
    with mailing.database.read() as session:
        teams = select(Team.name).join(TeamMember).join(User, User.id == TeamMember.account_id)
        assert set(session.scalars(teams.where(User.name == "stranger"))) == {"members", "creators"}
    assert mailing.delete(f"/teaminvite/{other}", by="stranger").status == 204


def test_a_user_finds_the_invitation_among_the_notifications_until_it_is_answered(mailing: Api) -> None:
    mailing.put(f"{TEAM}/members/stranger", by="owner")
    assert notices(mailing, "stranger") == [
        {"code": mailed_code(mailing), "inviter": "owner", "org": "acme", "team": "members"}
    ]
    mailing.delete(f"/teaminvite/{mailed_code(mailing)}", by="stranger")
    assert (notices(mailing, "stranger"), pending(mailing)) == ([], [])


def test_an_invited_address_reaches_its_user_without_mail(api: Api) -> None:
    api.put(f"{TEAM}/invite/reader@example.com", by="owner")
    assert mails(api) == []
    (notice,) = notices(api, "reader")
    assert api.put(f"/teaminvite/{notice['code']}", by="reader").status == 200


def test_what_is_taken_back_cannot_be_accepted(mailing: Api) -> None:
    mailing.put(f"{TEAM}/members/stranger", by="owner")
    code = mailed_code(mailing)
    assert mailing.delete(f"{TEAM}/members/stranger", by="owner").status == 204
    assert (pending(mailing), notices(mailing, "stranger")) == ([], [])
    assert mailing.put(f"/teaminvite/{code}", by="stranger").status == 400
    assert mailing.delete(f"{TEAM}/members/stranger", by="owner").status == 400


def test_an_invitation_is_not_mailed_twice_within_a_moment_and_a_later_one_has_another_code(mailing: Api) -> None:
    mailing.put(f"{TEAM}/invite/{ADDRESS}", by="owner")
    mailing.put(f"{TEAM}/invite/{ADDRESS}", by="owner")
    assert len(mails(mailing)) == 1
    first = mailed_code(mailing)
    with mailing.database.write() as session:
        session.execute(update(Invitation).values(sent_at=now() - 2 * invitations.RESENT_AFTER))
    mailing.put(f"{TEAM}/invite/{ADDRESS}", by="owner")
    assert len(mails(mailing)) == 2
    assert mailed_code(mailing) != first
    assert pending(mailing) == [ADDRESS]


def test_what_is_no_address_gets_no_mail(mailing: Api) -> None:
    for text in ("notanemail", "two@example.com,three@example.com"):
        assert mailing.put(f"{TEAM}/invite/{text}", by="owner").status == 200
    assert mails(mailing) == []


def test_there_is_a_limit(mailing: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invitations, "MOST_PENDING", 1)
    assert mailing.put(f"{TEAM}/invite/a@example.com", by="owner").status == 200
    assert mailing.put(f"{TEAM}/invite/b@example.com", by="owner").status == 400


def test_only_administrators_see_who_was_invited(mailing: Api) -> None:
    mailing.put(f"{TEAM}/invite/{ADDRESS}", by="owner")
    assert ADDRESS not in mailing.get(f"{TEAM}/members?includePending=true", by="member").text


def test_the_log_tells_of_invitations_and_answers(mailing: Api) -> None:
    mailing.put(f"{TEAM}/members/stranger", by="owner")
    mailing.put(f"/teaminvite/{mailed_code(mailing)}", by="stranger")
    mailing.put(f"{TEAM}/invite/reader@example.com", by="owner")
    mailing.delete(f"/teaminvite/{mailed_code(mailing)}", by="reader")
    mailing.put(f"{TEAM}/invite/{ADDRESS}", by="owner")
    mailing.delete(f"{TEAM}/invite/{ADDRESS}", by="owner")
    team = {"namespace": "acme", "team": "members"}
    assert mailing.logged(about="invite") == [
        ("org_invite_team_member", "owner", {**team, "user": "stranger", "member": "stranger"}),
        ("org_team_member_invite_accepted", "stranger", {**team, "member": "stranger", "inviter": "owner"}),
        ("org_invite_team_member", "owner", {**team, "email": "reader@example.com", "member": "reader@example.com"}),
        ("org_team_member_invite_declined", "reader", {**team, "member": "reader", "inviter": "owner"}),
        ("org_invite_team_member", "owner", {**team, "email": ADDRESS, "member": ADDRESS}),
        ("org_delete_team_member_invite", "owner", {**team, "email": ADDRESS, "member": ADDRESS}),
    ]
