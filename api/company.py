"""A small company in which everybody has other rights: the access matrix is tried on it, and tests play in it."""

from models import applications, permissions, repositories, robots, teams, users
from models.access import ANONYMOUS, Identity
from models.authentication import Superusers
from models.organizations import create_organization
from models.session import Session
from models.tables import Organization, Repository, User
from models.tables.repositories import RepositoryRole

ORGANIZATION = "acme"
PRIVATE = "acme/app"
PUBLIC = "acme/public"
CLIENT_ID = "THEAPPLICATIONOFACME"
CALLERS = {
    "anonymous": "nobody is signed in",
    "stranger": "a user without any right here",
    "reader": "may read the private repository",
    "writer": "may write to it",
    "repo_admin": "administers it",
    "member": "is in a team of members, without a permission",
    "creator": "is in a team that may create repositories",
    "owner": "administers the organization",
    "robot": "a robot that may write to the private repository",
    "idle_robot": "a robot without any right",
    "token": "a token of the private repository, which may write",
    "root": "a superuser",
    "almighty": "a superuser where FEATURE_SUPERUSERS_FULL_ACCESS is set",
}
"""Who there is, and what makes each what it is."""
PEOPLE = ("stranger", "reader", "writer", "repo_admin", "member", "creator", "owner", "root")
_ROLES: dict[str, RepositoryRole] = {"reader": "read", "writer": "write", "repo_admin": "admin"}


def populate(session: Session) -> dict[str, Identity]:
    """The organization acme with its repositories and application, and CALLERS by name."""
    people = {name: _user(session, name.replace("_", "-")) for name in PEOPLE}
    callers = {name: Superusers().identify(user) for name, user in people.items()}
    owner = callers["owner"]
    organization = create_organization(session, ORGANIZATION, owner=people["owner"], email=None, actor=owner)
    applications.create_application(session, organization, "tool", actor=owner).client_id = CLIENT_ID
    app = make_repository(session, PRIVATE, actor=owner)
    make_repository(session, PUBLIC, actor=owner, public=True)
    for role in ("member", "creator"):
        team, _ = teams.put_team(session, organization, f"{role}s", role=role, description=None, actor=owner)
        teams.add_member(session, team, role, actor=owner)
    for name, permitted in _ROLES.items():
        permissions.put_user_permission(session, app, people[name].name, permitted, actor=owner)
    for name in ("robot", "idle_robot"):
        callers[name] = _robot(session, organization, name.replace("_", "-"), actor=owner)
    permissions.put_user_permission(session, app, f"{ORGANIZATION}+robot", "write", actor=owner)
    callers["root"] = Superusers(frozenset({"root"})).identify(people["root"])
    callers["almighty"] = Superusers(frozenset({"root"}), full_access=True).identify(people["root"])
    callers["token"] = Identity(kind="repository_token", name="$token", repository_id=app.id, repository_role="write")
    callers["anonymous"] = ANONYMOUS
    session.flush()
    return callers


def with_token(session: Session, scopes: frozenset[str] | None) -> Identity:
    """The owner, as if it were a superuser who may do everything, with a token of these scopes."""
    superusers = Superusers(frozenset({"owner"}), full_access=True)
    return superusers.identify(users.get_user(session, "owner"), scopes)


def make_repository(session: Session, path: str, *, actor: Identity, public: bool = False) -> Repository:
    namespace, _, name = path.partition("/")
    return repositories.create_repository(session, namespace, name, actor=actor, public=public)


def _user(session: Session, name: str) -> User:
    """Without a password: hashing one takes longer than all the rest."""
    return users.create_user(session, name, email=f"{name}@example.com", actor=ANONYMOUS)


def _robot(session: Session, organization: Organization, name: str, *, actor: Identity) -> Identity:
    return Superusers().identify(robots.create_robot(session, organization, name, actor=actor))
