"""Permissions and robots: who may be given what."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from models.access import Identity, find_repository, get_organization, may
from models.authentication import Superusers, identify_basic
from models.errors import Conflict, Invalid, NotFound, Unauthenticated
from models.permissions import (
    get_team_permission,
    get_user_permission,
    list_team_permissions,
    list_transitive_roles,
    list_user_permissions,
    put_team_permission,
    put_user_permission,
    remove_team_permission,
    remove_user_permission,
)
from models.repositories import Filter, list_repositories, list_repository_names
from models.robots import (
    MAX_METADATA,
    clear_token,
    create_robot,
    get_robot,
    list_robot_permissions,
    list_robot_teams,
    list_robots,
    regenerate_token,
    remove_robot,
)
from models.scopes import parse_scopes
from models.session import Database, Session
from models.tables import LogEntry, Organization, Permission, Repository, Robot
from models.teams import add_member, find_team
from tests.factories.world import make_repository, make_world


@pytest.fixture
def app(session: Session, callers: dict[str, Identity]) -> Repository:
    app = find_repository(session, "acme", "app")
    assert app
    return app


@pytest.fixture
def acme(session: Session, callers: dict[str, Identity]) -> Organization:
    return get_organization(session, "acme")


def test_a_permission_is_given_changed_and_taken(
    session: Session, callers: dict[str, Identity], app: Repository
) -> None:
    stranger, owner = callers["stranger"], callers["owner"]
    assert not may(session, stranger, app, "read")
    put_user_permission(session, app, "stranger", "read", actor=owner)
    assert may(session, stranger, app, "read")
    put_user_permission(session, app, "stranger", "write", actor=owner)
    assert may(session, stranger, app, "write")
    assert get_user_permission(session, app, "stranger").role == "write"
    remove_user_permission(session, app, "stranger", actor=owner)
    assert not may(session, stranger, app, "read")
    with pytest.raises(Invalid):
        remove_user_permission(session, app, "stranger", actor=owner)


def test_a_team_passes_its_permission_on(session: Session, callers: dict[str, Identity], app: Repository) -> None:
    put_team_permission(session, app, "members", "write", actor=callers["owner"])
    assert may(session, callers["member"], app, "write")
    put_user_permission(session, app, "member", "read", actor=callers["owner"])
    assert sorted(list_transitive_roles(session, app, "member")) == ["read", "write"]
    assert [each.team.name for each in list_team_permissions(session, app) if each.team] == ["members"]
    remove_team_permission(session, app, "members", actor=callers["owner"])
    assert not may(session, callers["member"], app, "write")
    with pytest.raises(Invalid):
        get_team_permission(session, app, "members")
    with pytest.raises(NotFound):
        list_transitive_roles(session, app, "nosuchuser")


def test_whose_repository_it_is_is_shown_to_administer_it(session: Session, callers: dict[str, Identity]) -> None:
    own = make_repository(session, "owner/own", actor=callers["owner"])
    put_user_permission(session, own, "reader", "read", actor=callers["owner"])
    assert [(each.account.name, each.role) for each in list_user_permissions(session, own) if each.account] == [
        ("owner", "admin"),
        ("reader", "read"),
    ]
    assert get_user_permission(session, own, "owner").role == "admin"
    assert list_transitive_roles(session, own, "owner") == ["admin"]
    with pytest.raises(Invalid, match="Namespace owner must always be admin"):
        remove_user_permission(session, own, "owner", actor=callers["owner"])
    session.flush()
    assert len(session.scalars(select(Permission).where(Permission.repository_id == own.id)).all()) == 1


def test_permissions_have_to_make_sense(session: Session, callers: dict[str, Identity], app: Repository) -> None:
    owner = callers["owner"]
    own = make_repository(session, "owner/own", actor=owner)
    for repository, name in ((app, "nosuchuser"), (own, "acme+robot"), (own, "owner")):
        with pytest.raises(Invalid):
            put_user_permission(session, repository, name, "read", actor=owner)
    for repository, name in ((app, "nosuchteam"), (own, "members")):
        with pytest.raises(Invalid):
            put_team_permission(session, repository, name, "read", actor=owner)


def test_an_organization_may_be_named_as_a_user_and_lets_nobody_in(
    session: Session, callers: dict[str, Identity], app: Repository
) -> None:
    own = make_repository(session, "stranger/own", actor=callers["stranger"])
    put_user_permission(session, own, "acme", "read", actor=callers["stranger"])
    assert list_transitive_roles(session, own, "acme") == ["read"]
    for name in ("member", "creator", "owner"):
        assert list_transitive_roles(session, own, name) == []
        assert not may(session, callers[name], own, "read")


@pytest.mark.parametrize(("scopes", "seen"), [(None, 1), ("repo:read", 1), ("super:user", 0)])
def test_full_access_ends_where_the_scopes_of_the_token_end(
    session: Session, callers: dict[str, Identity], app: Repository, scopes: str | None, seen: int
) -> None:
    caller = replace(callers["almighty"], scopes=parse_scopes(scopes) if scopes else None)
    for only in (Filter(), Filter(public=True)):
        assert [each.id for each in list_repositories(session, caller, only)].count(app.id) == seen
    assert list_repository_names(session, caller, limit=100).count("acme/app") == seen


def test_permissions_are_listed_by_name(session: Session, callers: dict[str, Identity], app: Repository) -> None:
    listed = [each.account.name for each in list_user_permissions(session, app) if each.account]
    assert listed == ["acme+robot", "owner", "reader", "repo-admin", "writer"]


def test_a_robot_has_a_token_that_can_be_shown_again(
    session: Session, callers: dict[str, Identity], acme: Organization
) -> None:
    robot = create_robot(session, acme, "bot", metadata={"a": [1]}, actor=callers["owner"])
    token = clear_token(session, robot)
    assert len(token) == 64
    assert token not in str(robot.encrypted_token)
    regenerate_token(session, robot, actor=callers["owner"])
    assert clear_token(session, robot) != token
    assert get_robot(session, acme, "bot").shortname == "bot"
    with pytest.raises(Conflict):
        create_robot(session, acme, "bot", actor=callers["owner"])


def test_robots_are_named_and_described_within_limits(
    session: Session, callers: dict[str, Identity], acme: Organization
) -> None:
    with pytest.raises(Invalid, match="'UPPER' is invalid: Namespace must match"):
        create_robot(session, acme, "UPPER", actor=callers["owner"])
    with pytest.raises(Invalid, match="unstructured_metadata"):
        create_robot(session, acme, "bot", metadata={"a": "x" * MAX_METADATA}, actor=callers["owner"])
    with pytest.raises(Invalid, match="Could not find robot"):
        get_robot(session, acme, "none")


def test_robots_are_listed_with_what_they_may(
    session: Session, callers: dict[str, Identity], acme: Organization
) -> None:
    team = find_team(session, acme, "members")
    assert team
    add_member(session, team, "acme+robot", actor=callers["owner"])
    robots = list_robots(session, acme)
    assert [robot.shortname for robot in robots] == ["robot", "idle-robot"]
    assert [robot.shortname for robot in list_robots(session, acme, limit=1)] == ["robot"]
    permissions = list_robot_permissions(session, robots)
    assert {key: [each.repository.name for each in each_list] for key, each_list in permissions.items()} == {
        robots[0].id: ["app"]
    }
    assert [each.name for each in list_robot_teams(session, acme)[robots[0].id]] == ["members"]
    remove_robot(session, robots[0], actor=callers["owner"])
    session.flush()
    assert [robot.shortname for robot in list_robots(session, acme)] == ["idle-robot"]


def test_a_robots_new_token_voids_the_old_one(database: Database) -> None:
    superusers = Superusers()
    with database.write() as session:
        owner = make_world(session)["owner"]
        robot = session.scalars(select(Robot).where(Robot.name == "acme+robot")).one()
        old = clear_token(session, robot)
    assert identify_basic(database, superusers, "acme+robot", old).kind == "robot"
    with database.write() as session:
        robot = session.scalars(select(Robot).where(Robot.name == "acme+robot")).one()
        regenerate_token(session, robot, actor=owner)
    with pytest.raises(Unauthenticated):
        identify_basic(database, superusers, "acme+robot", old)


def test_each_change_is_in_the_action_log(session: Session, callers: dict[str, Identity], app: Repository) -> None:
    put_user_permission(session, app, "stranger", "read", actor=callers["owner"])
    remove_user_permission(session, app, "stranger", actor=callers["owner"])
    session.flush()
    entries = session.scalars(select(LogEntry).order_by(LogEntry.id.desc()).limit(2)).all()
    assert [(entry.kind, entry.detail["username"], entry.performer) for entry in entries] == [
        ("delete_repo_permission", "stranger", "owner"),
        ("change_repo_permission", "stranger", "owner"),
    ]
