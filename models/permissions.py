"""Who may do what in a repository: permissions of users, robots and teams."""

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import contains_eager
from sqlalchemy.orm.attributes import set_committed_value

from models import audit
from models.access import Identity, find_account, is_robot_of_others
from models.errors import Invalid, NotFound
from models.session import Session
from models.tables import Account, Permission, Repository, Team, TeamMember
from models.tables.repositories import RepositoryRole


def list_user_permissions(session: Session, repository: Repository) -> list[Permission]:
    """The permissions of users and robots, these loaded with them, by name. Quay operation listRepoUserPermissions.

    A user whose repository it is is among them, as in Quay, though no row says what follows from the namespace.
    """
    return [*_of_owner(repository), *session.scalars(_of_accounts(repository))]


def list_team_permissions(session: Session, repository: Repository) -> list[Permission]:
    """The permissions of teams, these loaded with them, by name. Quay operation listRepoTeamPermissions."""
    return list(session.scalars(_of_teams(repository)))


def get_user_permission(session: Session, repository: Repository, name: str) -> Permission:
    """The permission of one user or robot; Invalid if it has none, as in Quay."""
    permission = session.scalar(_of_accounts(repository).where(Account.name == name))
    if permission is None and name == repository.namespace.name:
        permission = next(iter(_of_owner(repository)), None)
    if permission is None:
        raise Invalid("User does not have permission for repo.")
    return permission


def get_team_permission(session: Session, repository: Repository, name: str) -> Permission:
    """The permission of one team; Invalid if it has none, as in Quay."""
    permission = session.scalar(_of_teams(repository).where(Team.name == name))
    if permission is None:
        raise Invalid("Team does not have permission for repo.")
    return permission


def _of_owner(repository: Repository) -> list[Permission]:
    namespace = repository.namespace
    if namespace.kind != "user":
        return []
    shown = Permission(repository_id=repository.id, account_id=namespace.id, role="admin")
    set_committed_value(shown, "account", namespace)  # without making a row of it
    return [shown]


def _of_accounts(repository: Repository) -> Select[Permission]:
    return (
        select(Permission)
        .join(Permission.account)
        .options(contains_eager(Permission.account))
        .where(Permission.repository_id == repository.id)
        .order_by(Account.name)
    )


def _of_teams(repository: Repository) -> Select[Permission]:
    return (
        select(Permission)
        .join(Permission.team)
        .options(contains_eager(Permission.team))
        .where(Permission.repository_id == repository.id)
        .order_by(Team.name)
    )


def put_user_permission(
    session: Session, repository: Repository, name: str, role: RepositoryRole, *, actor: Identity
) -> Permission:
    """Let a user or robot do what `role` allows, no more and no less. Invalid: it cannot be that one.

    An organization may be named, too, as in Quay; it lets nobody do anything. Quay operation changeUserPermissions.
    """
    if is_robot_of_others(name, repository.namespace):
        raise Invalid(f"Cannot add robot {name} under namespace {repository.namespace.name}")
    account = find_account(session, name)
    if account is None:
        raise Invalid(f"Invalid username: {name}")
    if account.id == repository.namespace_id:
        raise Invalid("Namespace owner must always be admin.")
    audit.record(session, "change_repo_permission", actor=actor, repository=repository, username=name, role=role)
    return _put(session, Permission(repository_id=repository.id, account_id=account.id, role=role))


def put_team_permission(
    session: Session, repository: Repository, name: str, role: RepositoryRole, *, actor: Identity
) -> Permission:
    """Let a team of the repository's organization do what `role` allows. Invalid: there is no such team.

    Quay operation changeTeamPermissions.
    """
    team = session.scalar(select(Team).where(Team.organization_id == repository.namespace_id, Team.name == name))
    if team is None:
        raise Invalid(f"No team {name} in organization {repository.namespace.name}")
    audit.record(session, "change_repo_permission", actor=actor, repository=repository, team=name, role=role)
    return _put(session, Permission(repository_id=repository.id, team_id=team.id, role=role))


def _put(session: Session, wanted: Permission) -> Permission:
    """The permission that the same account or team has already, with the wanted role; or the wanted one."""
    same = (
        Permission.repository_id == wanted.repository_id,
        Permission.account_id == wanted.account_id if wanted.team_id is None else Permission.team_id == wanted.team_id,
    )
    permission = session.scalar(select(Permission).where(*same))
    if permission is None:
        permission = wanted
        session.add(permission)
    permission.role = wanted.role
    session.flush()
    return permission


def remove_user_permission(session: Session, repository: Repository, name: str, *, actor: Identity) -> None:
    """Take the permission of a user or robot away; Invalid if it has none. Quay operation deleteUserPermissions."""
    if name == repository.namespace.name:
        raise Invalid("Namespace owner must always be admin.")
    session.delete(get_user_permission(session, repository, name))
    audit.record(session, "delete_repo_permission", actor=actor, repository=repository, username=name)


def remove_team_permission(session: Session, repository: Repository, name: str, *, actor: Identity) -> None:
    """Take the permission of a team away; Invalid if it has none. Quay operation deleteTeamPermissions."""
    session.delete(get_team_permission(session, repository, name))
    audit.record(session, "delete_repo_permission", actor=actor, repository=repository, team=name)


def list_transitive_roles(session: Session, repository: Repository, name: str) -> list[RepositoryRole]:
    """The roles that a user or robot has by itself and through its teams; NotFound if there is no such account.

    Quay operation getUserTransitivePermission.
    """
    account = None if is_robot_of_others(name, repository.namespace) else find_account(session, name)
    if account is None:
        raise NotFound("Not Found")
    teams = select(TeamMember.team_id).where(TeamMember.account_id == account.id)
    query = select(Permission.role).where(
        Permission.repository_id == repository.id,
        or_(Permission.account_id == account.id, Permission.team_id.in_(teams)),
    )
    own = [permission.role for permission in _of_owner(repository) if permission.account_id == account.id]
    return [*own, *session.scalars(query.order_by(Permission.id))]
