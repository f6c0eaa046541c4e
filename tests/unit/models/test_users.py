"""People: names, addresses, passwords, and what goes with them when they go."""

import pytest
from sqlalchemy import select

from models.access import ANONYMOUS, Identity, find_account, find_repository
from models.errors import Conflict, Invalid, NotFound
from models.organizations import create_organization
from models.passwords import hash_password, verify_password
from models.session import Session
from models.tables import Robot, Team, User
from models.teams import add_member
from models.users import change_user, create_user, get_user, list_users, organizations_of, remove_user
from tests.factories.world import make_repository


def test_a_user_can_sign_in_with_the_password_given(session: Session) -> None:
    user = create_user(
        session, "ann", email="ann@example.com", password_hash=hash_password("long enough"), actor=ANONYMOUS
    )
    assert verify_password("long enough", user.password_hash)
    assert user.verified
    assert not user.superuser


def test_a_user_without_password_cannot_sign_in(session: Session) -> None:
    user = create_user(session, "ann", email=None, superuser=True, actor=ANONYMOUS)
    assert user.password_hash is None
    assert user.superuser


@pytest.mark.parametrize(
    ("name", "email"),
    [("A", None), ("ann+bot", None), ("ann", "nowhere")],
)
def test_bad_facts_are_refused(session: Session, name: str, email: str | None) -> None:
    with pytest.raises(Invalid):
        create_user(session, name, email=email, actor=ANONYMOUS)


@pytest.mark.parametrize("password", ["short", "x" * 4097])
def test_passwords_are_of_some_length(password: str) -> None:
    with pytest.raises(Invalid):
        hash_password(password)


def test_names_and_addresses_are_taken_once(session: Session, callers: dict[str, Identity]) -> None:
    for name in ("owner", "acme"):
        with pytest.raises(Conflict):
            create_user(session, name, email=None, actor=ANONYMOUS)
    with pytest.raises(Conflict):
        create_user(session, "other", email="owner@example.com", actor=ANONYMOUS)


def test_lists_go_on_and_leave_the_disabled_out(session: Session, callers: dict[str, Identity]) -> None:
    change_user(session, get_user(session, "reader"), enabled=False, actor=callers["root"])
    everybody = [user.name for user in list_users(session, limit=100)]
    assert everybody[:3] == ["stranger", "reader", "writer"]
    first = list_users(session, limit=2)
    assert [user.name for user in list_users(session, after=first[-1].id, limit=2)] == everybody[2:4]
    assert "reader" not in [user.name for user in list_users(session, limit=100, disabled=False)]


def test_changes_are_checked(session: Session, callers: dict[str, Identity]) -> None:
    user = get_user(session, "reader")
    change_user(session, user, email="new@example.com", password_hash="another's", actor=callers["root"])
    assert (user.email, user.password_hash) == ("new@example.com", "another's")
    with pytest.raises(Conflict):
        change_user(session, user, email="owner@example.com", actor=callers["root"])
    with pytest.raises(Invalid):
        change_user(session, get_user(session, "root"), enabled=False, actor=callers["root"])


def test_who_goes_takes_repositories_and_robots_along(session: Session, callers: dict[str, Identity]) -> None:
    make_repository(session, "stranger/own", actor=callers["stranger"])
    remove_user(session, get_user(session, "stranger"), actor=callers["root"])
    session.flush()
    assert find_account(session, "stranger") is None
    assert find_repository(session, "stranger", "own") is None


def test_the_only_administrator_of_an_organization_stays(session: Session, callers: dict[str, Identity]) -> None:
    with pytest.raises(Conflict, match="acme"):
        remove_user(session, get_user(session, "owner"), actor=callers["root"])
    with pytest.raises(Invalid):
        remove_user(session, get_user(session, "root"), actor=callers["root"])
    with pytest.raises(NotFound):
        get_user(session, "acme+robot")


def test_the_only_administrator_of_an_organization_cannot_be_disabled(
    session: Session, callers: dict[str, Identity]
) -> None:
    owner = get_user(session, "owner")
    with pytest.raises(Conflict, match="owner is the only administrator of organization acme"):
        change_user(session, owner, enabled=False, actor=callers["root"])
    assert owner.enabled
    owners = session.scalars(select(Team).where(Team.name == "owners")).one()
    add_member(session, owners, "stranger", actor=callers["owner"])
    change_user(session, owner, enabled=False, actor=callers["root"])
    assert not owner.enabled


def test_a_robot_does_not_count_as_administrator(session: Session, callers: dict[str, Identity]) -> None:
    owners = session.scalars(select(Team).where(Team.name == "owners")).one()
    add_member(session, owners, "acme+robot", actor=callers["owner"])
    with pytest.raises(Conflict):
        remove_user(session, get_user(session, "owner"), actor=callers["root"])


def test_an_organization_may_have_the_address_of_a_user(session: Session, callers: dict[str, Identity]) -> None:
    owner = get_user(session, "owner")
    create_organization(session, "new", owner=owner, email="both@example.com", actor=callers["owner"])
    assert create_user(session, "ann", email="both@example.com", actor=ANONYMOUS).email


def test_organizations_of_a_user_are_those_with_a_team_of_its(session: Session, callers: dict[str, Identity]) -> None:
    member = session.get(User, callers["member"].account_id)
    assert member
    create_organization(session, "aaa", owner=member, email=None, actor=callers["member"])
    assert [(found.name, found.role) for found in organizations_of(session, member)] == [
        ("aaa", "admin"),
        ("acme", "member"),
    ]
    assert session.query(Robot).count() == 2
