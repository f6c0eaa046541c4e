"""Turning a person's account into an organization, with all its repositories, robots and builds."""

from sqlalchemy import delete, update

from models import audit
from models.access import Identity
from models.codes import void_codes
from models.errors import Invalid
from models.organizations import OWNERS
from models.session import Session
from models.sessions import end_sessions
from models.tables import (
    Account,
    AppToken,
    OAuthToken,
    Permission,
    Prototype,
    Star,
    Team,
    TeamMember,
    User,
)
from models.users import keep_administrators

_OF_A_PERSON = (AppToken, OAuthToken, Permission, Star, TeamMember)
"""What only a person has: rights and tokens, which would stay behind unseen."""


def convert_to_organization(session: Session, user: User, administrator: User, *, actor: Identity) -> None:
    """Make the user an organization that `administrator` owns. Invalid, Conflict.

    Nobody signs in as it any more. Quay operation convertUserToOrganization.
    """
    if administrator.id == user.id:
        raise Invalid("The admin user is not valid")
    keep_administrators(session, user)
    audit.record(session, "account_convert", actor=actor, namespace=user)
    end_sessions(session, user)
    void_codes(session, user)
    for table in _OF_A_PERSON:
        session.execute(delete(table).where(table.account_id == user.id))
    as_person = (Prototype.delegate_account_id == user.id) | (Prototype.activating_account_id == user.id)
    session.execute(delete(Prototype).where(as_person))
    session.flush()
    changed = {"kind": "organization", "password_hash": None, "superuser": False, "verified": False, "prompts": None}
    session.execute(update(Account).where(Account.id == user.id).values(changed))
    session.expunge(user)
    owners = Team(organization_id=user.id, name=OWNERS, role="admin")
    session.add(owners)
    session.flush()
    session.add(TeamMember(team_id=owners.id, account_id=administrator.id))
