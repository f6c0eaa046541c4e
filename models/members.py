"""Who belongs to an organization: members are in its teams, collaborators only have permissions in repositories."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, Select, exists, select
from sqlalchemy.orm import contains_eager

from models import audit
from models.access import Identity, find_account
from models.errors import NotFound
from models.organizations import keep_an_administrator
from models.prototypes import remove_prototypes_of
from models.session import Session
from models.tables import Account, Organization, Permission, Repository, Team, TeamMember, User


@dataclass(frozen=True)
class Belonging:
    """A user or robot with its teams, and the names of the repositories in which it has a permission of its own."""

    account: Account
    teams: list[Team] = field(default_factory=list)
    repositories: list[str] = field(default_factory=list)


def list_members(session: Session, organization: Organization) -> list[Belonging]:
    """The people in any of the organization's teams, by name. Quay operation getOrganizationMembers."""
    members: dict[int, Belonging] = {}
    for account, team in session.execute(_memberships(organization).where(Account.kind == "user")):
        members.setdefault(account.id, Belonging(account)).teams.append(team)
    permitted = _permissions(organization).where(_in_a_team(organization))
    for permission in session.scalars(permitted):
        if permission.account_id in members:
            members[permission.account_id].repositories.append(permission.repository.name)
    return list(members.values())


def get_member(session: Session, organization: Organization, name: str) -> Belonging:
    """A user in one of the teams, or a robot of the organization; NotFound. Quay operation getOrganizationMember."""
    account = find_account(session, name)
    if account is None or account.kind == "organization":
        raise NotFound("Not Found")
    teams = [team for _, team in session.execute(_memberships(organization).where(Account.id == account.id))]
    if not teams and account.owner_id != organization.id:
        raise NotFound("Not Found")
    permissions = session.scalars(_permissions(organization).where(Permission.account_id == account.id))
    return Belonging(account, teams, [permission.repository.name for permission in permissions])


def list_collaborators(session: Session, organization: Organization) -> list[Belonging]:
    """The people with a permission in a repository, and in no team, by name.

    Quay operation getOrganizationCollaborators.
    """
    found: dict[int, Belonging] = {}
    query = _permissions(organization).where(Account.kind == "user", ~_in_a_team(organization))
    for permission in session.scalars(query):
        if permission.account is not None:
            collaborator = found.setdefault(permission.account.id, Belonging(permission.account))
            collaborator.repositories.append(permission.repository.name)
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
    return (
        select(Permission)
        .join(Permission.repository)
        .join(Permission.account)
        .options(contains_eager(Permission.repository), contains_eager(Permission.account))
        .where(Repository.namespace_id == organization.id)
        .order_by(Account.name, Repository.name)
    )


def _in_a_team(organization: Organization) -> ColumnElement[bool]:
    """The condition on Account rows that are in a team of the organization."""
    mine = TeamMember.account_id == Account.id
    return exists().where(mine, Team.id == TeamMember.team_id, Team.organization_id == organization.id)
