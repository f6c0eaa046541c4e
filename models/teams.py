"""Teams of organizations: their roles, members and permissions."""

from typing import NamedTuple

from sqlalchemy import Integer, bindparam, exists, func, select

from models import audit
from models.access import Identity, find_account, is_robot_of_others
from models.errors import Conflict, Invalid, NotFound
from models.members import SHOWN, Somebody
from models.names import check_namespace
from models.organizations import keep_an_administrator
from models.queries import Query
from models.session import Session
from models.tables import Account, Organization, Permission, Repository, Team, TeamMember
from models.tables.accounts import TeamRole
from models.tables.repositories import RepositoryRole


class ListedTeam(NamedTuple):
    """A team, in how many repositories it has permissions, how many members it has, and whether somebody is in it."""

    name: str
    role: TeamRole
    description: str
    repositories: int
    members: int
    has_account: bool


def find_team(session: Session, organization: Account, name: str) -> Team | None:
    return session.scalar(select(Team).where(Team.organization_id == organization.id, Team.name == name))


_TEAMS = Query(
    select(
        Team.name,
        Team.role,
        Team.description,
        select(func.count()).select_from(Permission).where(Permission.team_id == Team.id).scalar_subquery(),
        select(func.count()).select_from(TeamMember).where(TeamMember.team_id == Team.id).scalar_subquery(),
        exists().where(TeamMember.team_id == Team.id, TeamMember.account_id == bindparam("account_id", type_=Integer)),
    )
    .where(Team.organization_id == bindparam("organization_id"))
    .order_by(Team.id),
    ListedTeam,
)


def list_teams(session: Session, organization: Account, account_id: int | None = None) -> list[ListedTeam]:
    """The organization's teams, oldest first, and whether the account is in each."""
    return session.ask(_TEAMS, organization_id=organization.id, account_id=account_id)


def teams_of(session: Session, organization: Account, account_id: int | None) -> set[int]:
    """The ids of the organization's teams that the account is in."""
    query = select(Team.id).join(TeamMember, TeamMember.team_id == Team.id)
    return set(
        session.scalars(query.where(Team.organization_id == organization.id, TeamMember.account_id == account_id))
    )


def put_team(
    session: Session,
    organization: Organization,
    name: str,
    *,
    role: TeamRole,
    description: str | None,
    actor: Identity,
) -> tuple[Team, bool]:
    """The team as it is to be, and whether it is new. Invalid: the name; Conflict: nobody would be administrator.

    Quay operation updateOrganizationTeam.
    """
    team = find_team(session, organization, name)
    if team is None:
        team = Team(organization_id=organization.id, name=_checked(name), role=role, description=description or "")
        session.add(team)
        session.flush()
        audit.record(session, "org_create_team", actor=actor, namespace=organization, team=name)
        return team, True
    if description is not None and description != team.description:
        team.description = description
        audit.record(
            session, "org_set_team_description", actor=actor, namespace=organization, team=name, description=description
        )
    if role != team.role:
        before, team.role = team.role, role
        if before == "admin":
            _keep_an_administrator(session, organization, team)
        audit.record(session, "org_set_team_role", actor=actor, namespace=organization, team=name, role=role)
    return team, False


def _checked(name: str) -> str:
    try:
        return check_namespace(name)
    except Invalid as exc:
        raise Invalid(exc.detail.replace("Invalid namespace", "Invalid team name", 1)) from exc


def remove_team(session: Session, organization: Organization, name: str, *, actor: Identity) -> None:
    """Remove the team with its permissions. Invalid: there is none; Conflict: nobody would be administrator.

    Quay operation deleteOrganizationTeam.
    """
    team = find_team(session, organization, name)
    if team is None:
        raise Invalid(f"Team '{name}' is not a team in org '{organization.name}'")
    audit.record(session, "org_delete_team", actor=actor, namespace=organization, team=name)
    session.delete(team)
    if team.role == "admin":
        _keep_an_administrator(session, organization, team)


def _keep_an_administrator(session: Session, organization: Organization, team: Team) -> None:
    told = f"Team {team.name} is the last with an administrator of {organization.name}"
    keep_an_administrator(session, organization, told)


def list_members(session: Session, team: Team) -> list[Somebody]:
    """The users and robots in the team, by name."""
    query = select(*SHOWN).join(TeamMember, TeamMember.account_id == Account.id).where(TeamMember.team_id == team.id)
    return [Somebody._make(row) for row in session.execute(query.order_by(Account.name))]


def add_member(session: Session, team: Team, name: str, *, actor: Identity) -> Account:
    """Put a user, or a robot of the organization, into the team. Invalid, Conflict.

    Quay operation updateOrganizationTeamMember, where nobody needs an invitation (`models.invitations`).
    """
    if is_robot_of_others(name, team.organization):
        raise Invalid(f"Robot {name} does not belong to organization {team.organization.name}")
    account = find_account(session, name)
    if account is None or account.kind == "organization":
        raise Invalid("Unknown user")
    if session.get(TeamMember, (team.id, account.id)) is not None:
        raise Conflict(f"User {name} is already a member of team {team.name}")
    session.add(TeamMember(team_id=team.id, account_id=account.id))
    audit.record(session, "org_add_team_member", actor=actor, namespace=team.organization, team=team.name, member=name)
    return account


def remove_member(session: Session, team: Team, name: str, *, actor: Identity) -> None:
    """Take the user or robot out of the team.

    NotFound: there is none of that name; Invalid: is not in it; Conflict: nobody would be administrator.

    Quay operation deleteOrganizationTeamMember.
    """
    account = find_account(session, name)
    member = session.get(TeamMember, (team.id, account.id)) if account else None
    if member is None:
        unknown = account is None or account.kind == "organization"
        if unknown and not is_robot_of_others(name, team.organization):
            raise NotFound("Not Found")
        raise Invalid(f"User {name} does not belong to team {team.name}")
    session.delete(member)
    if team.role == "admin":
        told = f"{name} is the only administrator of {team.organization.name}"
        keep_an_administrator(session, team.organization, told)
    audit.record(
        session, "org_remove_team_member", actor=actor, namespace=team.organization, team=team.name, member=name
    )


class TeamPermission(NamedTuple):
    """What a team may do in a repository."""

    name: str
    is_public: bool
    role: RepositoryRole


def list_team_permissions(session: Session, team: Team) -> list[TeamPermission]:
    """What the team may do in which repositories, by name."""
    query = (
        select(Repository.name, Repository.is_public, Permission.role)
        .join(Repository, Repository.id == Permission.repository_id)
        .where(Permission.team_id == team.id)
        .order_by(Repository.name)
    )
    return [TeamPermission(*row) for row in session.execute(query)]
