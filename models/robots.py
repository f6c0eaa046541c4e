"""Robots: credentials for machines, owned by a user or an organization."""

import json
from collections import defaultdict
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import contains_eager

from models import audit
from models.access import Identity, find_account
from models.errors import Conflict, Invalid
from models.names import check_namespace
from models.session import Session
from models.tables import Account, Permission, Repository, Robot, Team, TeamMember
from models.vault import new_token

TOKEN_LENGTH = 64
MAX_METADATA = 64 * 1024


def create_robot(
    session: Session,
    owner: Account,
    shortname: str,
    *,
    description: str = "",
    metadata: dict[str, Any] | None = None,
    actor: Identity,
) -> Robot:
    """Create `owner+shortname` with a token. Invalid: the name; Conflict: there is one of that name.

    Quay operations createUserRobot and createOrgRobot.
    """
    try:
        check_namespace(shortname)
    except Invalid as exc:
        reason = exc.detail.partition(": ")[2]
        raise Invalid(f"The name for the robot '{shortname}' is invalid: {reason}") from exc
    if len(json.dumps(metadata)) > MAX_METADATA:
        raise Invalid(f"unstructured_metadata: expected at most {MAX_METADATA} bytes of JSON")
    # Locked, it is not given another name beside this.
    locked = select(Account.name).where(Account.id == owner.id).with_for_update(read=True, key_share=True)
    name = f"{session.scalars(locked).one()}+{shortname}"
    if find_account(session, name) is not None:
        raise Conflict(f"Existing robot with name: {name}")
    robot = Robot(name=name, owner=owner, description=description, unstructured_metadata=metadata)
    robot.encrypted_token = session.vault.encrypt(new_token(TOKEN_LENGTH))
    session.add(robot)
    session.flush()
    audit.record(
        session,
        "create_robot",
        actor=actor,
        namespace=owner,
        robot=shortname,
        description=description or None,
        unstructured_metadata=metadata,
    )
    return robot


def get_robot(session: Session, owner: Account, shortname: str) -> Robot:
    """The robot; Invalid if the owner has none of that name, as in Quay."""
    robot = session.scalar(select(Robot).where(Robot.owner_id == owner.id, Robot.name == f"{owner.name}+{shortname}"))
    if robot is None:
        raise Invalid("Could not find robot with specified username")
    return robot


def list_robots(session: Session, owner: Account, *, limit: int | None = None) -> list[Robot]:
    """The owner's robots, oldest first."""
    query = select(Robot).where(Robot.owner_id == owner.id).order_by(Robot.id).limit(limit)
    return list(session.scalars(query))


def clear_token(session: Session, robot: Robot) -> str:
    """The robot's token as it is presented."""
    return session.vault.decrypt(robot.encrypted_token) if robot.encrypted_token else ""


def regenerate_token(session: Session, robot: Robot, *, actor: Identity) -> None:
    """Give the robot a new token; the old one is void at once. Quay operations regenerate…RobotToken."""
    robot.encrypted_token = session.vault.encrypt(new_token(TOKEN_LENGTH))
    audit.record(session, "regenerate_robot_token", actor=actor, namespace=robot.owner, robot=robot.shortname)


def remove_robot(session: Session, robot: Robot, *, actor: Identity) -> None:
    """Remove the robot and its permissions. Quay operations deleteUserRobot and deleteOrgRobot."""
    audit.record(session, "delete_robot", actor=actor, namespace=robot.owner, robot=robot.shortname)
    session.flush()
    session.delete(robot)


def list_robot_permissions(session: Session, robots: list[Robot]) -> dict[int, list[Permission]]:
    """What each robot may do in which repositories (loaded with it), by the robot's id."""
    query = (
        select(Permission)
        .join(Permission.repository)
        .options(contains_eager(Permission.repository))
        .where(Permission.account_id.in_([robot.id for robot in robots]))
        .order_by(Repository.name)
    )
    found: dict[int, list[Permission]] = defaultdict(list)
    for permission in session.scalars(query):
        found[permission.account_id or 0].append(permission)
    return found


def list_robot_repositories(session: Session, owner: Account) -> dict[int, list[str]]:
    """The names of the repositories in which each robot of the owner has a permission, by the robot's id."""
    query = (
        select(Permission.account_id, Repository.name)
        .join(Permission.repository)
        .join(Permission.account)
        .where(Account.owner_id == owner.id)
        .order_by(Repository.name)
    )
    found: dict[int, list[str]] = defaultdict(list)
    for robot_id, name in session.execute(query):
        found[robot_id or 0].append(name)
    return found


def list_robot_teams(session: Session, owner: Account) -> dict[int, list[Team]]:
    """The teams that each robot of the owner is in, by the robot's id."""
    query = (
        select(TeamMember.account_id, Team)
        .join(Team, Team.id == TeamMember.team_id)
        .join(Account, Account.id == TeamMember.account_id)
        .where(Account.owner_id == owner.id)
        .order_by(Team.name)
    )
    found: dict[int, list[Team]] = defaultdict(list)
    for robot_id, team in session.execute(query):
        found[robot_id].append(team)
    return found
