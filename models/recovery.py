"""Mail as proof of who somebody is: addresses confirmed and changed, forgotten passwords replaced."""

from sqlalchemy import select

from config.settings import Settings
from models import audit, letters
from models.access import Identity
from models.codes import get_code, issue_code, use_code
from models.errors import Conflict, Invalid
from models.registration import CONFIRMATION_LIFETIME, ask_for_confirmation
from models.session import Session
from models.tables import Organization, Team, TeamMember, User
from models.tables.codes import OneTimeCode
from models.users import free_email, set_password

MOST_NAMED = 20


def request_recovery(session: Session, settings: Settings, email: str) -> None:
    """Mail a link for a new password to the address, if it is a user's; who asks learns nothing of that.

    An organization's address is told who administers it. Quay operation requestRecoveryEmail.
    """
    user = session.scalar(select(User).where(User.email == email, User.enabled))
    if user is not None:
        send_recovery(session, settings, user)
        return
    organization = session.scalar(select(Organization).where(Organization.email == email).limit(1))
    if organization is not None:
        names = _administrators(session, organization)
        letters.name_administrators(session, settings, organization, names, to=email)


def send_recovery(session: Session, settings: Settings, user: User) -> str:
    """Mail the user a link for a new password; the address. Invalid if there is none.

    Quay operation sendInstallUserRecoveryEmail.
    """
    if user.email is None:
        raise Invalid(f"{user.name} has no e-mail address")
    code = issue_code(session, user, "recover", user.email, lifetime=settings.recovery_lifetime)
    letters.recover_account(session, settings, user, code, to=user.email)
    return user.email


def request_confirmation(session: Session, settings: Settings, email: str) -> None:
    """Mail another link to confirm the address by, if it is a user's who needs one; who asks learns nothing of that."""
    user = session.scalar(select(User).where(User.email == email, User.enabled))
    if user is not None:
        ask_for_confirmation(session, settings, user)


def recover(session: Session, settings: Settings, code: str, password_hash: str, *, ip: str | None) -> User:
    """Give the user to whom the code was mailed the password of that hash; the user. Invalid: the code."""
    row = get_code(session, code, ["recover"])
    user = row.user
    if user.email != row.email:
        raise Invalid("The address this link was mailed to is not that of the account any more")
    use_code(session, row)
    set_password(session, user, password_hash)
    user.verified = True  # who reads the mail has just shown it
    actor = Identity(kind="user", account_id=user.id, name=user.name, ip=ip)
    audit.record(session, "account_change_password", actor=actor, namespace=user)
    letters.password_changed(session, settings, user, to=row.email)
    return user


def request_address(session: Session, settings: Settings, user: User, email: str) -> None:
    """Mail a link to a new address of the user's, which counts once it is opened. Invalid, Conflict."""
    free_email(session, email)
    code = issue_code(session, user, "change", email, lifetime=CONFIRMATION_LIFETIME)
    letters.confirm_address(session, settings, user, code, to=email)


def confirm(session: Session, settings: Settings, code: str, *, ip: str | None) -> User:
    """Take the address that the code was mailed to as confirmed; the user. Invalid, Conflict."""
    row = get_code(session, code, ["confirm", "change"])
    user = row.user
    use_code(session, row)
    if row.purpose == "change":
        _change_address(session, settings, row, ip=ip)
    elif user.email != row.email:
        raise Invalid("The address this link was mailed to is not that of the account any more")
    user.verified = True
    return user


def change_address(session: Session, user: User, email: str, *, actor: Identity) -> None:
    """Give the user another address, unconfirmed. Invalid, Conflict."""
    former = user.email
    user.email = free_email(session, email)
    audit.record(session, "user_change_email", actor=actor, namespace=user, email=email, old_email=former)


def _change_address(session: Session, settings: Settings, row: OneTimeCode, *, ip: str | None) -> None:
    user, former = row.user, row.user.email
    if former == row.email:
        raise Conflict("This is the address of the account already")
    actor = Identity(kind="user", account_id=user.id, name=user.name, ip=ip)
    change_address(session, user, row.email, actor=actor)
    if former is not None:
        letters.address_changed(session, settings, user, to=former)


def _administrators(session: Session, organization: Organization) -> list[str]:
    query = (
        select(User.name)
        .join(TeamMember, TeamMember.account_id == User.id)
        .join(Team, Team.id == TeamMember.team_id)
        .where(Team.organization_id == organization.id, Team.role == "admin", User.enabled)
        .distinct()
        .order_by(User.name)
        .limit(MOST_NAMED)
    )
    return list(session.scalars(query))
