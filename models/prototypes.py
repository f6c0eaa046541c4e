"""Default permissions: what users, robots and teams may do in each new repository of an organization."""

from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import joinedload

from models import audit
from models.access import Identity, find_account, is_robot_of_others
from models.errors import Invalid, NotFound
from models.session import Session
from models.tables import Account, Organization, Permission, Prototype, Repository, Robot, Team, User
from models.tables.repositories import RepositoryRole

MOST = 500
"""Prototypes of one organization: each new repository gets a permission for each."""


@dataclass(frozen=True)
class Delegate:
    """Who is to get a permission, by name."""

    kind: Literal["user", "team"]
    name: str


def list_prototypes(session: Session, organization: Organization) -> list[Prototype]:
    """The organization's prototypes with whom they are about, oldest first.

    Quay operation getOrganizationPrototypePermissions.
    """
    return list(session.scalars(_prototypes(organization).order_by(Prototype.id)))


def get_prototype(session: Session, organization: Organization, uuid: str) -> Prototype:
    """One of the organization's prototypes; NotFound."""
    prototype = session.scalar(_prototypes(organization).where(Prototype.uuid == uuid))
    if prototype is None:
        raise NotFound("Not Found")
    return prototype


def put_prototype(
    session: Session,
    organization: Organization,
    role: RepositoryRole,
    *,
    activating: str | None,
    delegate: Delegate,
    actor: Identity,
) -> Prototype:
    """Let the delegate do what `role` allows in each repository that `activating`, or anybody, creates from now on.

    There is one prototype for the same two: a second call changes its role. Invalid: a name.
    Quay operation createOrganizationPrototypePermission.
    """
    wanted = Prototype(organization_id=organization.id, role=role)
    if activating:
        wanted.activating_account_id = _own_account(session, organization, activating, "Unknown activating user").id
    if delegate.kind == "team":
        wanted.delegate_team_id = _team(session, organization, delegate.name).id
    else:
        told = "Missing delegate user or team"
        wanted.delegate_account_id = _own_account(session, organization, delegate.name, told).id
    same = session.scalar(_prototypes(organization).where(*_about_the_same(wanted)))
    if same is not None:
        return change_prototype(session, same, role, actor=actor)
    count = select(func.count()).where(Prototype.organization_id == organization.id)
    if session.scalars(count).one() >= MOST:
        raise Invalid(f"Organization {organization.name} has {MOST} default permissions already, the most there may be")
    session.add(wanted)
    session.flush()
    _record(session, "create_prototype_permission", wanted, actor=actor)
    return wanted


def change_prototype(session: Session, prototype: Prototype, role: RepositoryRole, *, actor: Identity) -> Prototype:
    """Set the prototype's role, for repositories to come. Quay operation updateOrganizationPrototypePermission."""
    before, prototype.role = prototype.role, role
    _record(session, "modify_prototype_permission", prototype, actor=actor, original_role=before)
    return prototype


def remove_prototype(session: Session, prototype: Prototype, *, actor: Identity) -> None:
    """Remove the prototype; permissions that came of it stay. Quay operation deleteOrganizationPrototypePermission."""
    _record(session, "delete_prototype_permission", prototype, actor=actor)
    session.delete(prototype)


def remove_prototypes_of(session: Session, organization: Organization, account: Account, *, actor: Identity) -> None:
    """Remove the prototypes that are about an account which leaves the organization."""
    about = or_(Prototype.activating_account_id == account.id, Prototype.delegate_account_id == account.id)
    for prototype in session.scalars(_prototypes(organization).where(about)):
        remove_prototype(session, prototype, actor=actor)


def apply_prototypes(session: Session, repository: Repository, creator: Identity) -> None:
    """Give the permissions that the organization has decided on to a repository that `creator` has just made.

    A prototype for this creator counts more than one for everybody. Who creates a repository administers it anyway.
    """
    query = select(Prototype).where(
        Prototype.organization_id == repository.namespace_id,
        or_(Prototype.activating_account_id.is_(None), Prototype.activating_account_id == creator.account_id),
    )
    general_first = Prototype.activating_account_id.is_not(None)
    for_everybody_first = session.scalars(query.order_by(general_first, Prototype.id))
    chosen = {(each.delegate_account_id, each.delegate_team_id): each.role for each in for_everybody_first}
    chosen.pop((creator.account_id, None), None)
    session.add_all(
        Permission(repository_id=repository.id, account_id=account_id, team_id=team_id, role=role)
        for (account_id, team_id), role in chosen.items()
    )


def _prototypes(organization: Organization) -> Select[Prototype]:
    whom = (Prototype.activating_account, Prototype.delegate_account, Prototype.delegate_team)
    query = select(Prototype).where(Prototype.organization_id == organization.id)
    return query.options(*(joinedload(each) for each in whom))


def _about_the_same(wanted: Prototype) -> list[ColumnElement[bool]]:
    columns = (Prototype.activating_account_id, Prototype.delegate_account_id, Prototype.delegate_team_id)
    return [column.is_not_distinct_from(getattr(wanted, column.key)) for column in columns]


def _own_account(session: Session, organization: Organization, name: str, unknown: str) -> Account:
    """A user, or a robot of the organization; Invalid."""
    if is_robot_of_others(name, organization):
        raise Invalid(f"Robot {name} does not belong to organization {organization.name}")
    account = find_account(session, name)
    if not isinstance(account, (User, Robot)):
        raise Invalid(unknown)
    return account


def _team(session: Session, organization: Organization, name: str) -> Team:
    team = session.scalar(select(Team).where(Team.organization_id == organization.id, Team.name == name))
    if team is None:
        raise Invalid(f"No team {name} in organization {organization.name}")
    return team


def _record(
    session: Session, kind: str, prototype: Prototype, *, actor: Identity, original_role: str | None = None
) -> None:
    activating, delegate, team = prototype.activating_account, prototype.delegate_account, prototype.delegate_team
    detail: dict[str, Any] = {"original_role": original_role} if original_role else {}
    detail |= {"delegate_user": delegate.name} if delegate else {}
    detail |= {"delegate_team": team.name} if team else {}
    audit.record(
        session,
        kind,
        actor=actor,
        namespace=session.get_one(Organization, prototype.organization_id),
        prototypeid=prototype.uuid,
        username=actor.name,
        activating_username=activating.name if activating else None,
        role=prototype.role,
        **detail,
    )
