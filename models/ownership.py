"""A superuser makes a namespace its own, where nobody is left who administers it."""

from sqlalchemy import select

from models import audit, teams
from models.access import Identity
from models.conversion import convert_to_organization
from models.organizations import OWNERS
from models.session import Session
from models.tables import Account, Organization, Team, TeamMember, User


def take_ownership(session: Session, namespace: Account, superuser: User, *, actor: Identity) -> None:
    """Let the superuser administer the organization, or the user, which becomes one. Invalid, Conflict.

    Quay operation takeOwnership.
    """
    id_ = namespace.id
    was_user = isinstance(namespace, User)
    if isinstance(namespace, User):
        convert_to_organization(session, namespace, superuser, actor=actor)
    organization = session.get_one(Organization, id_)
    _join_owners(session, organization, superuser, actor=actor)
    audit.record(
        session,
        "take_ownership",
        actor=actor,
        namespace=organization,
        entity_id=id_,
        was_user=was_user,
        superuser=superuser.name,
    )


def _join_owners(session: Session, organization: Organization, superuser: User, *, actor: Identity) -> None:
    """Put the superuser into the oldest team of administrators; there is one, or it is made."""
    administrators = select(Team).where(Team.organization_id == organization.id, Team.role == "admin")
    team = session.scalar(administrators.order_by(Team.id).limit(1))
    if team is None:
        team, _ = teams.put_team(session, organization, OWNERS, role="admin", description=None, actor=actor)
    if session.get(TeamMember, (team.id, superuser.id)) is None:
        teams.add_member(session, team, superuser.name, actor=actor)
