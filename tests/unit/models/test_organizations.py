"""Organizations and teams: always somebody who administers, and nothing left when they go."""

import pytest
from sqlalchemy import func, select

from models.access import Identity, find_account, get_organization
from models.errors import Conflict, Invalid
from models.organizations import create_organization, members_among, remove_organization
from models.session import Session
from models.tables import Organization, Permission, Repository, Robot, Team, TeamMember, User
from models.teams import (
    add_member,
    find_team,
    list_members,
    list_team_permissions,
    list_teams,
    put_team,
    remove_member,
    remove_team,
)


@pytest.fixture
def acme(session: Session, callers: dict[str, Identity]) -> Organization:
    return get_organization(session, "acme")


def team_of(session: Session, acme: Organization, name: str) -> Team:
    team = find_team(session, acme, name)
    assert team
    return team


def test_who_creates_an_organization_owns_it(session: Session, callers: dict[str, Identity]) -> None:
    user = session.get(User, callers["stranger"].account_id)
    assert user
    new = create_organization(session, "new", owner=user, email="a@b.example", actor=callers["stranger"])
    (team,) = list_teams(session, new, user.id)
    assert (team.name, team.role, team.members, team.has_account) == ("owners", "admin", 1, True)


def test_names_are_shared_with_users(session: Session, callers: dict[str, Identity]) -> None:
    user = session.get(User, callers["stranger"].account_id)
    assert user
    for name in ("acme", "stranger"):
        with pytest.raises(Conflict):
            create_organization(session, name, owner=user, email=None, actor=callers["stranger"])


def test_nothing_is_left_of_a_removed_organization(
    session: Session, callers: dict[str, Identity], acme: Organization
) -> None:
    remove_organization(session, acme, actor=callers["owner"])
    session.flush()
    for table in (Organization, Team, TeamMember, Repository, Robot, Permission):
        assert session.scalar(select(func.count()).select_from(table)) == 0


def test_sizes_count_repositories_and_members(
    session: Session, callers: dict[str, Identity], acme: Organization
) -> None:
    assert {team.name: (team.repositories, team.members) for team in list_teams(session, acme)} == {
        "owners": (0, 1),
        "members": (0, 1),
        "creators": (0, 1),
    }


def test_the_last_administrators_stay(session: Session, callers: dict[str, Identity], acme: Organization) -> None:
    owner = callers["owner"]
    owners = team_of(session, acme, "owners")
    for change in (
        lambda: put_team(session, acme, "owners", role="member", description=None, actor=owner),
        lambda: remove_member(session, owners, "owner", actor=owner),
        lambda: remove_team(session, acme, "owners", actor=owner),
    ):
        with session.begin_nested() as savepoint:
            with pytest.raises(Conflict):
                change()
            savepoint.rollback()


def test_a_robot_or_a_disabled_user_is_no_administrator(
    session: Session, callers: dict[str, Identity], acme: Organization
) -> None:
    owner = callers["owner"]
    owners = team_of(session, acme, "owners")
    add_member(session, owners, "acme+robot", actor=owner)
    stranger = add_member(session, owners, "stranger", actor=owner)
    stranger.enabled = False
    with pytest.raises(Conflict):
        remove_member(session, owners, "owner", actor=owner)


def test_a_second_administrator_lets_the_first_go(
    session: Session, callers: dict[str, Identity], acme: Organization
) -> None:
    owners = team_of(session, acme, "owners")
    add_member(session, owners, "stranger", actor=callers["owner"])
    remove_member(session, owners, "owner", actor=callers["owner"])
    assert [account.name for account in list_members(session, owners)] == ["stranger"]


@pytest.mark.parametrize("name", ["nosuchuser", "acme", "owner+bot"])
def test_only_users_and_own_robots_become_members(
    session: Session, callers: dict[str, Identity], acme: Organization, name: str
) -> None:
    owner = session.get(User, callers["owner"].account_id)
    session.add(Robot(name="owner+bot", owner=owner))
    session.flush()
    with pytest.raises(Invalid):
        add_member(session, team_of(session, acme, "members"), name, actor=callers["owner"])


def test_a_team_is_changed_or_made(session: Session, callers: dict[str, Identity], acme: Organization) -> None:
    owner = callers["owner"]
    team, is_new = put_team(session, acme, "new", role="member", description="a", actor=owner)
    assert is_new
    again, is_new = put_team(session, acme, "new", role="admin", description=None, actor=owner)
    assert (again.id, is_new, again.role, again.description) == (team.id, False, "admin", "a")
    with pytest.raises(Invalid, match="team name"):
        put_team(session, acme, "No Name", role="member", description=None, actor=owner)
    assert list_team_permissions(session, team) == []


def test_members_are_those_in_teams_and_own_robots(
    session: Session, callers: dict[str, Identity], acme: Organization
) -> None:
    found = {name: find_account(session, name) for name in ("member", "stranger", "acme+robot")}
    ids = {name: account.id for name, account in found.items() if account}
    assert members_among(session, acme, list(ids.values())) == {ids["member"], ids["acme+robot"]}
