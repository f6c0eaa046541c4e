"""Who belongs to an organization: members are in its teams, collaborators only have permissions in repositories."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, exists, select
from sqlalchemy.orm import contains_eager

from models import audit
from models.access import Identity, find_account
from models.avatars import Pictured
from models.errors import NotFound
from models.organizations import keep_an_administrator
from models.prototypes import remove_prototypes_of
from models.session import Session
from models.tables import Account, Organization, Permission, Repository, Team, TeamMember, User


class Somebody(NamedTuple):
    """What is shown of an account."""

    kind: str
    name: str
    email: str | None
    uuid: str


@dataclass(frozen=True)
class Belonging:
    """A user or robot with the names of its teams, and of the repositories in which it has a permission of its own."""

    account: Pictured
    teams: list[str] = field(default_factory=list)
    repositories: list[str] = field(default_factory=list)


SHOWN = (Account.kind, Account.name, Account.email, Account.uuid)


def list_members(session: Session, organization: Organization) -> list[Belonging]:
    """The people in any of the organization's teams, by name. Quay operation getOrganizationMembers."""
    members: dict[str, Belonging] = {}
    shown = _memberships(organization).where(Account.kind == "user").with_only_columns(Team.name, *SHOWN)
    for team, *account in session.execute(shown):
        somebody = Somebody._make(account)
        members.setdefault(somebody.name, Belonging(somebody)).teams.append(team)
    # Of everybody, not of members alone: PostgreSQL would go through all permissions that they have anywhere.
    permitted = _of_accounts(organization, Repository.name, Account.name).where(Account.kind == "user")
    for repository, name in session.execute(permitted):
        if name in members:
            members[name].repositories.append(repository)
    return list(members.values())


def get_member(session: Session, organization: Organization, name: str) -> Belonging:
    """A user in one of the teams, or a robot of the organization; NotFound. Quay operation getOrganizationMember."""
    account = find_account(session, name)
    if account is None or account.kind == "organization":
        raise NotFound("Not Found")
    teams = [team.name for _, team in session.execute(_memberships(organization).where(Account.id == account.id))]
    if not teams and account.owner_id != organization.id:
        raise NotFound("Not Found")
    permissions = session.scalars(_permissions(organization).where(Permission.account_id == account.id))
    return Belonging(account, teams, [permission.repository.name for permission in permissions])


def list_collaborators(session: Session, organization: Organization) -> list[Belonging]:
    """The people with a permission in a repository, and in no team, by name.

    Quay operation getOrganizationCollaborators.
    """
    found: dict[str, Belonging] = {}
    query = _of_accounts(organization, Repository.name, *SHOWN)
    for repository, *account in session.execute(query.where(Account.kind == "user", ~_in_a_team(organization))):
        somebody = Somebody._make(account)
        found.setdefault(somebody.name, Belonging(somebody)).repositories.append(repository)
    return list(found.values())


def remove_member(session: Session, organization: Organization, name: str, *, actor: Identity) -> None:
    """Take a user out of every team and take away its permissions, present and to come, in the repositories.

    NotFound: there is no such user; Conflict: nobody would be administrator. It is no error if the user is no member.
    Quay operation removeOrganizationMember.
    """
    user = session.scalar(select(User).where(User.name == name))
    if user is None:
        raise NotFound("Not Found")
    teams = [team for _, team in session.execute(_memberships(organization).where(Account.id == user.id))]
    _leave(session, organization, user, teams, actor=actor)
    for permission in session.scalars(_permissions(organization).where(Permission.account_id == user.id)):
        audit.record(
            session, "delete_repo_permission", actor=actor, repository=permission.repository, username=user.name
        )
        session.delete(permission)
    remove_prototypes_of(session, organization, user, actor=actor)


def _leave(session: Session, organization: Organization, user: User, teams: Iterable[Team], *, actor: Identity) -> None:
    administered = False
    for team in teams:
        session.delete(session.get_one(TeamMember, (team.id, user.id)))
        audit.record(
            session, "org_remove_team_member", actor=actor, namespace=organization, team=team.name, member=user.name
        )
        administered = administered or team.role == "admin"
    if administered:
        keep_an_administrator(session, organization, "Cannot remove user as they are the only organization admin")


def _memberships(organization: Organization) -> Select[Account, Team]:
    return (
        select(Account, Team)
        .join(TeamMember, TeamMember.account_id == Account.id)
        .join(Team, Team.id == TeamMember.team_id)
        .where(Team.organization_id == organization.id)
        .order_by(Account.name, Team.id)
    )


def _permissions(organization: Organization) -> Select[Permission]:
    """Permissions of users and robots in the organization's repositories, both loaded with them."""
    loaded = (contains_eager(Permission.repository), contains_eager(Permission.account))
    return _of_accounts(organization, Permission).options(*loaded)


def _of_accounts(organization: Organization, *what: Any) -> Select[*tuple[Any, ...]]:
    """What of the permissions of users and robots in the organization's repositories, by their names."""
    return (
        select(*what)
        .select_from(Permission)
        .join(Permission.repository)
        .join(Permission.account)
        .where(Repository.namespace_id == organization.id)
        .order_by(Account.name, Repository.name)
    )


def _in_a_team(organization: Organization) -> ColumnElement[bool]:
    """The condition on Account rows that are in a team of the organization."""
    mine = TeamMember.account_id == Account.id
    return exists().where(mine, Team.id == TeamMember.team_id, Team.organization_id == organization.id)
