"""People: create, list, change, remove."""

from typing import NamedTuple

from sqlalchemy import bindparam, select

from models import audit
from models.access import Identity, find_account
from models.brakes import PASSWORD, Counted, release
from models.codes import void_codes
from models.errors import Conflict, Invalid, NotFound
from models.names import check_email, check_namespace
from models.organizations import lock_organizations
from models.queries import Query
from models.removal import remove_account
from models.roles import TEAM_RANK
from models.session import Session
from models.sessions import end_sessions
from models.tables import Account, Organization, Team, TeamMember, User
from models.tables.accounts import TWO_WEEKS_S, TeamRole


def create_user(
    session: Session,
    name: str,
    *,
    email: str | None,
    password_hash: str | None = None,
    superuser: bool = False,
    verified: bool = True,
    tag_expiration_s: int = TWO_WEEKS_S,
    actor: Identity,
) -> User:
    """Create a user; without the hash of a password nobody can sign in as it with one. Invalid: name or address;
    Conflict: name or address is taken. Quay operation createInstallUser.

    Hashing takes too long for a transaction, so it comes before. `tag_expiration_s`: DEFAULT_TAG_EXPIRATION.
    """
    check_namespace(name)
    if find_account(session, name) is not None:
        raise Conflict("The username already exists")
    user = User(name=name, superuser=superuser, verified=verified, tag_expiration_s=tag_expiration_s)
    user.password_hash = password_hash
    if email is not None:
        user.email = free_email(session, email)
    session.add(user)
    session.flush()
    audit.record(session, "user_create", actor=actor, namespace=user, username=name, email=email)
    return user


def has_users(session: Session) -> bool:
    """Whether there is any user: an installation without one is still being set up."""
    return session.scalar(select(User.id).limit(1)) is not None


def get_user(session: Session, name: str) -> User:
    """The user of that name; NotFound."""
    user = session.scalar(select(User).where(User.name == name))
    if user is None:
        raise NotFound("Not Found")
    return user


def list_users(session: Session, *, after: int = 0, limit: int, disabled: bool = True) -> list[User]:
    """Users by age, from the one after id `after`; without the disabled ones if `disabled` is false."""
    query = select(User).where(User.id > after).order_by(User.id).limit(limit)
    return list(session.scalars(query if disabled else query.where(User.enabled)))


def change_user(
    session: Session,
    user: User,
    *,
    email: str | None = None,
    password_hash: str | None = None,
    enabled: bool | None = None,
    actor: Identity,
) -> None:
    """Change what is not None. Invalid, Conflict. Quay operation changeInstallUser.

    The only administrator of an organization cannot be disabled, no more than removed.
    """
    if email is not None and email != user.email:
        user.email = free_email(session, email)
        audit.record(session, "user_change_email", actor=actor, namespace=user, username=user.name, email=email)
    if password_hash is not None:
        set_password(session, user, password_hash)
        audit.record(session, "user_change_password", actor=actor, namespace=user, username=user.name)
    if enabled is not None and enabled != user.enabled:
        if user.id == actor.account_id:
            raise Invalid("enabled: you cannot disable your own account")
        if not enabled:
            keep_administrators(session, user)
        user.enabled = enabled
        kind = "user_enable" if enabled else "user_disable"
        audit.record(session, kind, actor=actor, namespace=user, username=user.name)


def set_password(session: Session, user: User, password_hash: str) -> None:
    """Give the user the password of that hash, which ends every browser session, client key and code made before."""
    user.password_hash = password_hash
    for name in filter(None, (user.name, user.email)):
        release(session, Counted(PASSWORD, name))
    end_sessions(session, user)
    void_codes(session, user)


def remove_user(session: Session, user: User, *, own: bool = False, actor: Identity) -> None:
    """Remove the user with repositories, robots and tokens. Conflict if an organization would have no administrator.

    `own`: the actor means the own account. Quay operations deleteInstallUser and deleteCurrentUser.
    """
    if user.id == actor.account_id and not own:
        raise Invalid("You cannot delete your own account this way")
    keep_administrators(session, user)
    audit.record(session, "user_delete", actor=actor, namespace=user, username=user.name)
    session.flush()
    remove_account(session, user)


class Membership(NamedTuple):
    """An organization that somebody is in, and the role of one of its teams there."""

    kind: str
    name: str
    email: str | None
    uuid: str
    role: TeamRole


_MEMBERSHIPS = Query(
    select(Account.kind, Account.name, Account.email, Account.uuid, Team.role)
    .join(Team, Team.organization_id == Account.id)
    .join(TeamMember, TeamMember.team_id == Team.id)
    .where(TeamMember.account_id == bindparam("user_id"), Account.kind == "organization")
    .order_by(Account.name),
    Membership,
)


def organizations_of(session: Session, user: User) -> list[Membership]:
    """The organizations in any of whose teams the user is, by name, with the most that it is there."""
    found: dict[str, Membership] = {}
    for each in session.ask(_MEMBERSHIPS, user_id=user.id):
        if each.name not in found or TEAM_RANK[each.role] > TEAM_RANK[found[each.name].role]:
            found[each.name] = each
    return list(found.values())


def free_email(session: Session, email: str) -> str:
    """The address, if a user may have it: Invalid, Conflict."""
    check_email(email)
    if session.scalar(select(User.id).where(User.email == email)) is not None:
        raise Conflict("The email address is already used")
    return email


def keep_administrators(session: Session, user: User) -> None:
    """Refuse what takes away the user if an organization would have no administrator: Conflict."""
    administered = (
        select(Team.organization_id)
        .join(TeamMember, TeamMember.team_id == Team.id)
        .where(Team.role == "admin", TeamMember.account_id == user.id)
    )
    mine = set(session.scalars(administered))
    lock_organizations(session, mine)
    others = (
        select(Team.organization_id)
        .select_from(User)
        .join(TeamMember, TeamMember.account_id == User.id)
        .join(Team, Team.id == TeamMember.team_id)
        .where(Team.role == "admin", User.id != user.id, User.enabled)
    )
    orphans = select(Organization.name).where(Organization.id.in_(mine), Organization.id.not_in(others))
    orphan = session.scalar(orphans.order_by(Organization.name).limit(1))
    if orphan is not None:
        raise Conflict(f"{user.name} is the only administrator of organization {orphan}")
