"""Robots that other services vouch for: their tokens are exchanged for one of ours, so that no password is kept."""

import json
import time
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.orm import joinedload

from models import audit
from models.access import Identity
from models.errors import Invalid, Unauthenticated
from models.session import Session
from models.tables import Robot, RobotFederation
from models.vault import Undecryptable, Vault

LIFETIME_S = 3600
PREFIX = "drydock-robot."
"""What our tokens begin with, so that they are told from others at a glance."""
MOST_RULES = 100
LONGEST = 2048
_LONGEST_TOKEN = 1024
_KIND = "federated robot"


class Rule(NamedTuple):
    """A subject of an issuer that may be the robot; `audiences`: whom its tokens have to be for, if that matters."""

    issuer: str
    subject: str
    audiences: tuple[str, ...] = ()


def list_rules(session: Session, robot: Robot) -> list[Rule]:
    """Who may be the robot. Quay operations get…RobotFederation."""
    query = select(RobotFederation).where(RobotFederation.robot_id == robot.id).order_by(RobotFederation.id)
    return [Rule(row.issuer, row.subject, tuple(row.audiences or ())) for row in session.scalars(query)]


def put_rules(session: Session, robot: Robot, rules: Sequence[Rule], *, actor: Identity) -> None:
    """Let nobody but these be the robot. Invalid. Quay operations create…RobotFederation."""
    _check(rules)
    # Locked, two who do this at once do not let in both of their lists.
    session.execute(select(Robot.id).where(Robot.id == robot.id).with_for_update(key_share=True))
    session.execute(delete(RobotFederation).where(RobotFederation.robot_id == robot.id))
    session.add_all(
        RobotFederation(
            robot_id=robot.id, issuer=rule.issuer, subject=rule.subject, audiences=list(rule.audiences) or None
        )
        for rule in rules
    )
    config = [{"issuer": rule.issuer, "subject": rule.subject} for rule in rules]
    audit.record(
        session,
        "create_robot_federation",
        actor=actor,
        namespace=robot.owner,
        robot=robot.shortname,
        config=config,
    )


def remove_rules(session: Session, robot: Robot, *, actor: Identity) -> None:
    """Let nobody be the robot but who has its password. Quay operations delete…RobotFederation."""
    session.execute(delete(RobotFederation).where(RobotFederation.robot_id == robot.id))
    audit.record(session, "delete_robot_federation", actor=actor, namespace=robot.owner, robot=robot.shortname)


def find_rule(session: Session, robot_name: str, issuer: str, subject: str) -> RobotFederation | None:
    """The rule by which the subject of the issuer may be the robot of that name, which is loaded with it."""
    row = session.scalar(
        select(RobotFederation)
        .join(RobotFederation.robot)
        .options(joinedload(RobotFederation.robot).joinedload(Robot.owner))
        .where(Robot.name == robot_name, RobotFederation.issuer == issuer, RobotFederation.subject == subject)
    )
    return row if row is not None and _is_enabled(row.robot) else None


def issue_robot_token(session: Session, rule: RobotFederation, *, actor: Identity) -> str:
    """A token that is the robot for `LIFETIME_S` seconds, as long as the rule stands."""
    robot = rule.robot
    audit.record(
        session,
        "federated_robot_token_exchange",
        actor=actor,
        namespace=robot.owner,
        robot=robot.shortname,
        issuer=rule.issuer,
        subject=rule.subject,
    )
    content = {"kind": _KIND, "rule": rule.id, "until": int(time.time()) + LIFETIME_S}
    return PREFIX + session.vault.encrypt(json.dumps(content))


def is_robot_token(token: str) -> bool:
    """Whether it looks like one of ours."""
    return token.startswith(PREFIX) and len(token) <= _LONGEST_TOKEN


def robot_of_token(session: Session, token: str) -> Robot:
    """The robot that the token is; Unauthenticated tells why it is none."""
    content = _open(session.vault, token)
    if content.get("until", 0) < time.time():
        raise Unauthenticated("The robot's token has expired; exchange another one")
    row = session.scalar(
        select(RobotFederation)
        .options(joinedload(RobotFederation.robot).joinedload(Robot.owner))
        .where(RobotFederation.id == content["rule"])
    )
    if row is None or not _is_enabled(row.robot):
        raise Unauthenticated("Requires authentication")
    return row.robot


def _open(vault: Vault, token: str) -> dict[str, int]:
    try:
        content = json.loads(vault.decrypt(token.removeprefix(PREFIX)))
    except (Undecryptable, ValueError) as exc:
        raise Unauthenticated("Requires authentication") from exc
    if not isinstance(content, dict) or content.get("kind") != _KIND:
        raise Unauthenticated("Requires authentication")
    return content


def _is_enabled(robot: Robot) -> bool:
    return robot.enabled and robot.owner.enabled


def _check(rules: Sequence[Rule]) -> None:
    """Invalid, in Quay's words where it has any."""
    if len(rules) > MOST_RULES:
        raise Invalid(f"expected at most {MOST_RULES} issuers and subjects")
    for rule in rules:
        if not rule.issuer or not rule.subject:
            raise Invalid("Missing one or more required fields (issuer, subject)")
        if not rule.issuer.startswith(("http://", "https://")):
            raise Invalid("Issuer must be a URL (http:// or https://)")
        if max(len(rule.issuer), len(rule.subject)) > LONGEST:
            raise Invalid(f"issuer and subject: expected at most {LONGEST} characters")
    if len({(rule.issuer, rule.subject) for rule in rules}) < len(rules):
        raise Invalid("Duplicate federation config entry")
