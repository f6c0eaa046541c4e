"""A small company whose people have every kind of right there is."""

from functools import cache
from typing import Any

from sqlalchemy import Table

from models import applications, permissions, repositories, robots, teams
from models.access import Identity
from models.organizations import create_organization
from models.session import Session
from models.tables import Base, Repository
from models.tables.repositories import RepositoryRole
from models.vault import Vault
from tests.factories.accounts import identity_of, make_user

ORGANIZATION = "acme"
PRIVATE = "acme/app"
PUBLIC = "acme/public"
CLIENT_ID = "THEAPPLICATIONOFACME"
PEOPLE = ("stranger", "reader", "writer", "repo_admin", "member", "creator", "owner", "root")
Rows = list[tuple[Table, list[dict[str, Any]]]]
_made: dict[Vault, tuple[dict[str, Identity], Rows]] = {}
ROLES: dict[str, RepositoryRole] = {"reader": "read", "writer": "write", "repo_admin": "admin"}


def make_world(session: Session) -> dict[str, Identity]:
    """The organization acme with its repositories, and everybody who may or may not touch them, by name.

    `reader`, `writer` and `repo_admin` have permissions in acme/app; `member`, `creator` and `owner` are in teams
    of that role; `robot` may write to acme/app and `idle_robot` nothing; `root` and `almighty` are superusers, the
    second with access to everything; `token` is a repository token that may write to acme/app. The organization has
    the application CLIENT_ID. Into a database that is empty; the second time in a process as rows, which takes a tenth
    of the time.
    """
    if session.get_bind().dialect.name != "sqlite":  # whose numbers would not go on from those of the rows
        return _populate(session)
    if session.vault not in _made:
        callers = _populate(session)
        _made[session.vault] = callers, _rows(session)
        return dict(callers)
    callers, rows = _made[session.vault]
    for table, found in rows:
        session.execute(table.insert(), found)
    return dict(callers)


def _rows(session: Session) -> Rows:
    """All that the session sees, what is referred to first."""
    found = [(table, [dict(row) for row in session.execute(table.select()).mappings()]) for table in _tables()]
    return [(table, rows) for table, rows in found if rows]


@cache
def _tables() -> list[Table]:
    return list(Base.metadata.sorted_tables)


def _populate(session: Session) -> dict[str, Identity]:
    people = {name: make_user(session, name.replace("_", "-")) for name in PEOPLE}
    callers = {name: identity_of(user) for name, user in people.items()}
    owner = callers["owner"]
    organization = create_organization(session, ORGANIZATION, owner=people["owner"], email=None, actor=owner)
    applications.create_application(session, organization, "tool", actor=owner).client_id = CLIENT_ID
    app = make_repository(session, PRIVATE, actor=owner)
    make_repository(session, PUBLIC, actor=owner, public=True)
    for role in ("member", "creator"):
        team, _ = teams.put_team(session, organization, f"{role}s", role=role, description=None, actor=owner)
        teams.add_member(session, team, role, actor=owner)
    for name, permitted in ROLES.items():
        permissions.put_user_permission(session, app, people[name].name, permitted, actor=owner)
    for name in ("robot", "idle-robot"):
        robot = robots.create_robot(session, organization, name, actor=owner)
        callers[name.replace("-", "_")] = Identity(kind="robot", account_id=robot.id, name=robot.name)
    permissions.put_user_permission(session, app, "acme+robot", "write", actor=owner)
    root = people["root"]
    callers["root"] = Identity(kind="user", account_id=root.id, name=root.name, superuser=True)
    callers["almighty"] = Identity(kind="user", account_id=root.id, name=root.name, superuser=True, full_access=True)
    callers["token"] = Identity(kind="repository_token", name="$token", repository_id=app.id, repository_role="write")
    callers["anonymous"] = Identity()
    session.flush()
    return callers


def make_repository(session: Session, path: str, *, actor: Identity, public: bool = False) -> Repository:
    namespace, _, name = path.partition("/")
    return repositories.create_repository(session, namespace, name, actor=actor, public=public)
