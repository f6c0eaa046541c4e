"""Turning a person's account into an organization, with all its repositories, robots and builds."""

from sqlalchemy import delete, update

from models import audit
from models.access import Identity
from models.errors import Invalid
from models.organizations import OWNERS
from models.session import Session
from models.tables import Account, Base, Team, TeamMember, User
from models.users import keep_administrators

_OF_A_PERSON = "account_id"
"""How columns end that refer to an account as a person: by rights, tokens, sessions and logins. What refers to it as
the owner of something is called `namespace_id`, `organization_id` or `owner_id`, and stays."""


def convert_to_organization(session: Session, user: User, administrator: User, *, actor: Identity) -> None:
    """Make the user an organization that `administrator` owns. Invalid, Conflict.

    Nobody signs in as it any more. Quay operation convertUserToOrganization.
    """
    if administrator.id == user.id:
        raise Invalid("The admin user is not valid")
    keep_administrators(session, user)
    audit.record(session, "account_convert", actor=actor, namespace=user)
    session.flush()
    _forget_person(session, user.id)
    changed = {"kind": "organization", "password_hash": None, "superuser": False, "verified": False, "prompts": None}
    session.execute(update(Account).where(Account.id == user.id).values(changed))
    session.expunge(user)
    owners = Team(organization_id=user.id, name=OWNERS, role="admin")
    session.add(owners)
    session.flush()
    session.add(TeamMember(team_id=owners.id, account_id=administrator.id))


def _forget_person(session: Session, account_id: int) -> None:
    for table in reversed(Base.metadata.sorted_tables):
        for key in table.foreign_keys:
            if key.column is Account.__table__.c.id and key.parent.name.endswith(_OF_A_PERSON):
                session.execute(delete(table).where(key.parent == account_id))
