"""Who is calling, and what that lets them touch. Every rule about access to data is here.

A function that loads an object for a caller refuses alike whether the object is hidden or absent, except where the
caller administers the namespace and may know.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import ColumnElement, CompoundSelect, Select, bindparam, exists, false, or_, select, true
from sqlalchemy.orm import contains_eager

from models.errors import Forbidden, NotFound, ReadOnly, Unauthenticated
from models.queries import Query
from models.roles import GIVEN_IN_NAMESPACE, GIVEN_IN_REPOSITORY, NOTHING, RANK, REPOSITORY_AND_GIVEN, TEAM_RANK, Given
from models.scopes import SCOPES, widest_role
from models.session import Session
from models.tables import Account, Organization, Permission, Repository, Team, TeamMember, User
from models.tables.accounts import TeamRole
from models.tables.repositories import RepositoryRole

LogDetail = tuple[tuple[str, str | int], ...]


@dataclass(frozen=True)
class Identity:
    """The caller of an operation.

    `scopes` is None unless a token limits what its account may do. A repository token is nobody's: it carries its
    `repository_id` and `repository_role` instead of an account. `withheld`: its account is a superuser's, but its
    token does not say so. `full_access` is a superuser's where the
    installation says that superusers may see everything. `log_detail` is what the action log tells of how the caller
    came, in Quay's words: its token, its program. `session_id` is that of the browser session the caller came with, if
    any, and `fresh` false if its password was given too long ago for what is dangerous.
    """

    kind: Literal["anonymous", "user", "robot", "repository_token"] = "anonymous"
    account_id: int | None = None
    name: str | None = None
    scopes: frozenset[str] | None = None
    superuser: bool = False
    withheld: bool = False
    full_access: bool = False
    repository_id: int | None = None
    repository_role: RepositoryRole | None = None
    log_detail: LogDetail = ()
    ip: str | None = None
    session_id: int | None = None
    fresh: bool = True

    @property
    def is_anonymous(self) -> bool:
        return self.kind == "anonymous"

    @property
    def performer(self) -> str | None:
        """The name in the action log; a repository token is nobody there."""
        return None if self.kind == "repository_token" else self.name

    def may_use(self, scope: str) -> bool:
        """Whether the caller's token, if a token is what it came with, covers the scope."""
        return not self.is_anonymous and (self.scopes is None or scope in self.scopes)

    @property
    def is_whole(self) -> bool:
        """Whether the caller may do all that its account may: its token, if it has one, holds nothing back."""
        return self.scopes is None or (self.scopes >= SCOPES.keys() - {"super:user"} and not self.withheld)

    def refuse(self) -> Forbidden | Unauthenticated:
        """The error for a caller who may not: sign in first, or not at all."""
        return Unauthenticated("Requires authentication") if self.is_anonymous else Forbidden("Unauthorized")

    def at(self, ip: str | None) -> "Identity":
        return replace(self, ip=ip)

    def in_session(self, session_id: int, *, fresh: bool) -> "Identity":
        return replace(self, session_id=session_id, fresh=fresh)


ANONYMOUS = Identity()


def _itself(account: Account) -> Account:
    return account


_NUMBERED = Query(select(Account).where(Account.id == bindparam("id")), _itself)
_NAMED = Query(select(Account).where(Account.name == bindparam("name")), _itself)


def find_account(session: Session, name: str) -> Account | None:
    return session.scalar(select(Account).where(Account.name == name))


def find_namespace(session: Session, name: str) -> Account | None:
    """The user or organization of that name."""
    return session.scalar(select(Account).where(Account.name == name, Account.kind != "robot"))


def is_robot_of_others(name: str, namespace: Account) -> bool:
    """Whether the name is of a robot of another namespace, be it there or not: who asks shall not learn which."""
    return "+" in name and name.partition("+")[0] != namespace.name


def get_namespace(session: Session, name: str) -> Account:
    """The user or organization of that name; NotFound."""
    namespace = find_namespace(session, name)
    if namespace is None:
        raise NotFound("Not Found")
    return namespace


def namespace_role(session: Session, caller: Identity, namespace: Account) -> TeamRole | None:
    """What the caller is in a namespace: its user and an organization's administrators are `admin`."""
    given = None
    if caller.account_id is not None and namespace.kind == "organization" and not caller.full_access:
        given = session.first(GIVEN_IN_NAMESPACE, namespace_id=namespace.id, caller_id=caller.account_id)
    return _namespace_role(caller, namespace, given or NOTHING)


def _namespace_role(caller: Identity, namespace: Account, given: Given) -> TeamRole | None:
    if caller.account_id is None:
        return None
    if caller.full_access or namespace.id == caller.account_id:
        return "admin"
    return given.team_role if namespace.kind == "organization" else None


def administers(session: Session, caller: Identity, namespace: Account) -> bool:
    """Whether the caller administers the namespace and its token, if any, says so."""
    scope = "org:admin" if namespace.kind == "organization" else "user:admin"
    return caller.may_use(scope) and namespace_role(session, caller, namespace) == "admin"


def may_create_in(session: Session, caller: Identity, namespace: Account) -> bool:
    """Whether the caller may create repositories in the namespace."""
    return caller.may_use("repo:create") and TEAM_RANK[namespace_role(session, caller, namespace)] >= 2


def get_organization(session: Session, name: str) -> Organization:
    organization = _find_organization(session, name)
    if organization is None:
        raise NotFound("Not Found")
    return organization


def _find_organization(session: Session, name: str) -> Organization | None:
    found = session.first(_NAMED, name=name)
    return found if isinstance(found, Organization) else None


def administered_organization(session: Session, caller: Identity, name: str) -> Organization:
    """An organization for someone who administers it; nobody else learns whether it exists."""
    organization = _find_organization(session, name)
    if organization is None or not administers(session, caller, organization):
        raise caller.refuse()
    return organization


def member_organization(session: Session, caller: Identity, name: str) -> Organization:
    """An organization for one of its members (or its administrators)."""
    organization = _find_organization(session, name)
    if organization is None or not caller.may_use("org:admin") or namespace_role(session, caller, organization) is None:
        raise caller.refuse()
    return organization


def administered_team(session: Session, caller: Identity, orgname: str, name: str) -> Team:
    """A team for someone who administers its organization; NotFound if there is none of that name."""
    return _get_team(session, administered_organization(session, caller, orgname), name)


def visible_team(session: Session, caller: Identity, orgname: str, name: str) -> Team:
    """A team for one of its members or someone who administers its organization."""
    organization = member_organization(session, caller, orgname)
    if administers(session, caller, organization):
        return _get_team(session, organization, name)
    mine = select(TeamMember.team_id).where(TeamMember.account_id == caller.account_id)
    team = session.scalar(
        select(Team).where(Team.organization_id == organization.id, Team.name == name, Team.id.in_(mine))
    )
    if team is None:
        raise caller.refuse()
    return team


def _get_team(session: Session, organization: Organization, name: str) -> Team:
    team = session.scalar(select(Team).where(Team.organization_id == organization.id, Team.name == name))
    if team is None:
        raise NotFound("Not Found")
    return team


def signed_in_user(session: Session, caller: Identity) -> User:
    """The user who calls; robots and repository tokens are none."""
    found = session.first(_NUMBERED, id=caller.account_id) if caller.kind == "user" else None
    if not isinstance(found, User):
        raise caller.refuse()
    return found


_REPOSITORY = (
    select(Repository)
    .join(Repository.namespace)
    .options(contains_eager(Repository.namespace))
    .where(
        Account.name == bindparam("namespace"),
        Repository.name == bindparam("name"),
        Repository.state != "MARKED_FOR_DELETION",
    )
)


def find_repository(session: Session, namespace: str, name: str) -> Repository | None:
    """The repository, its namespace loaded with it."""
    return session.scalar(_REPOSITORY, {"namespace": namespace, "name": name})


def repository_role(session: Session, caller: Identity, repository: Repository) -> RepositoryRole | None:
    """The most the caller may do in the repository, within its token's scopes; public does not count here."""
    given = None
    if caller.account_id is not None and not caller.full_access:
        where = {"namespace_id": repository.namespace_id, "repository_id": repository.id}
        given = session.first(GIVEN_IN_REPOSITORY, **where, caller_id=caller.account_id)
    return _repository_role(caller, repository, given or NOTHING)


def _repository_role(caller: Identity, repository: Repository, given: Given) -> RepositoryRole | None:
    if caller.kind == "repository_token":
        return caller.repository_role if caller.repository_id == repository.id else None
    if caller.account_id is None:
        return None
    is_admin = _namespace_role(caller, repository.namespace, given) == "admin"
    role: RepositoryRole | None = "admin" if is_admin else given.permission
    if caller.scopes is None:
        return role
    return min(role, widest_role(caller.scopes), key=RANK.__getitem__)


def may(session: Session, caller: Identity, repository: Repository, role: RepositoryRole) -> bool:
    """Whether the caller may do what `role` allows. Anyone may read a public repository."""
    if role == "read" and repository.is_public:
        return True
    return RANK[repository_role(session, caller, repository)] >= RANK[role]


def get_repository(
    session: Session, caller: Identity, path: str, role: RepositoryRole, *, changes: bool = False
) -> Repository:
    """The repository `namespace/name` for someone who may do what `role` allows in it.

    Who administers the namespace is told that a repository does not exist (NotFound); others are refused alike.
    `changes`: the operation changes the repository's content, so a read-only one refuses it (ReadOnly).
    """
    namespace, _, name = path.partition("/")
    found = session.first(REPOSITORY_AND_GIVEN, namespace=namespace, name=name, caller_id=caller.account_id)
    if found is None:
        owner = find_namespace(session, namespace)
        if owner is not None and namespace_role(session, caller, owner) == "admin":
            raise NotFound("Not Found")
        raise caller.refuse()
    repository, given = found
    is_open = role == "read" and repository.is_public
    if not is_open and RANK[_repository_role(caller, repository, given)] < RANK[role]:
        raise caller.refuse()
    if changes and repository.state != "NORMAL":
        raise ReadOnly(f"repository {path} is read-only")
    return repository


def sees_everything(caller: Identity) -> bool:
    """Whether the caller may read every repository, as superusers may where the installation says so."""
    return caller.full_access and caller.may_use("repo:read")


def visible_repositories(caller: Identity, *, among_few: bool = False) -> ColumnElement[bool]:
    """The condition on Repository rows that the caller may read, for lists; joins nothing.

    `among_few`: other conditions leave so few that each can be looked at.
    """
    if sees_everything(caller):
        return true()
    if caller.kind == "repository_token":
        return or_(Repository.is_public, Repository.id == caller.repository_id)
    return or_(Repository.is_public, own_repositories(caller, among_few=among_few))


def own_namespace_ids(caller: Identity) -> CompoundSelect[int] | Select[int]:
    """The ids (`id`) of the namespaces in which the caller has all rights: its own, and organizations."""
    its_own = select(Account.id).where(Account.id == caller.account_id)
    if _is_without_rights(caller):
        return its_own.where(false())
    return its_own.union(administered_organization_ids(caller))


def permitted_repository_ids(caller: Identity) -> CompoundSelect[int] | Select[int]:
    """The ids (`repository_id`) of repositories that the caller has a permission in, by itself or through a team."""
    by_itself = select(Permission.repository_id).where(Permission.account_id == caller.account_id)
    if _is_without_rights(caller):
        return by_itself.where(false())
    return by_itself.union(select(Permission.repository_id).where(Permission.team_id.in_(_teams_of(caller))))


def _is_without_rights(caller: Identity) -> bool:
    return caller.account_id is None or (caller.scopes is not None and widest_role(caller.scopes) is None)


def own_repositories(caller: Identity, *, among_few: bool = False) -> ColumnElement[bool]:
    """The condition on Repository rows that the caller has rights in beyond reading what is public; see above."""
    if _is_without_rights(caller):
        return false()
    of_one = exists().where(
        Permission.repository_id == Repository.id,
        or_(Permission.account_id == caller.account_id, Permission.team_id.in_(_teams_of(caller))),
    )
    # PostgreSQL would read all permissions for the former, if many repositories are to be looked at.
    permitted = of_one if among_few else Repository.id.in_(permitted_repository_ids(caller))
    administered = Repository.namespace_id.in_(administered_organization_ids(caller))
    return or_(Repository.namespace_id == caller.account_id, administered, permitted)


def administered_organization_ids(caller: Identity) -> Select[int]:
    """The ids of the organizations that the caller administers."""
    return (
        select(Team.organization_id)
        .join(TeamMember, TeamMember.team_id == Team.id)
        .where(TeamMember.account_id == caller.account_id, Team.role == "admin")
    )


def _teams_of(caller: Identity) -> Select[Any]:
    return select(TeamMember.team_id).where(TeamMember.account_id == caller.account_id)
