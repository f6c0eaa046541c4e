"""People who are vouched for by another service: found, attached to an account, or given a new one."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import contains_eager

from config.settings import Settings
from models import audit, users
from models.access import ANONYMOUS, Identity, find_account
from models.authentication import Superusers
from models.errors import Conflict, Forbidden, Unauthenticated
from models.invitations import is_invited
from models.mail import is_address
from models.names import is_namespace
from models.queries import Query
from models.registration import prompts_for
from models.session import Session
from models.tables import ExternalLogin, User

MOST_SUFFIXES = 100
LONGEST_NAME = 200


class Person(NamedTuple):
    """Whom a service vouches for, by the name that never changes there, and what else it tells."""

    subject: str
    username: str | None
    email: str | None
    email_verified: bool


_LOGINS: Query[ExternalLogin] = Query(
    select(ExternalLogin).where(ExternalLogin.account_id == bindparam("user_id")).order_by(ExternalLogin.id),
    lambda login: login,
)


def list_logins(session: Session, user: User) -> Sequence[ExternalLogin]:
    """The services that vouch for the user, in the order in which they were attached."""
    return session.ask(_LOGINS, user_id=user.id)


def find_user(session: Session, service: str, person: Person) -> User | None:
    """The user as whom the person signs in; Unauthenticated if that one is disabled."""
    login = _find(session, service, person)
    if login is None:
        return None
    if not login.user.enabled:
        raise Unauthenticated(f"The account {login.user.name} is disabled")
    login.details = _details(person)
    return login.user


def attach(session: Session, user: User, service: str, person: Person, *, actor: Identity) -> None:
    """Let the service vouch for the user from now on. Conflict: it vouches for another, or for another person."""
    known = _find(session, service, person)
    if known is not None and known.account_id == user.id:
        return
    if known is not None:
        raise Conflict("This login is attached to another account already")
    mine = select(ExternalLogin.id).where(ExternalLogin.account_id == user.id, ExternalLogin.service == service)
    if session.scalar(mine) is not None:
        raise Conflict("Another login of the same service is attached to your account; detach that one first")
    _add(session, user, service, person)
    audit.record(session, "user_change_metadata", actor=actor, namespace=user, attached_login=service)


def detach(session: Session, settings: Settings, user: User, service: str, *, actor: Identity) -> None:
    """Let the service vouch for the user no longer; no error if it does not. Conflict: nothing else lets the user in.

    Quay operation detachExternalLogin.
    """
    logins = {login.service: login for login in list_logins(session, user)}
    if service not in logins:
        return
    others = len(logins) > 1 or (settings.FEATURE_DIRECT_LOGIN and user.password_hash is not None)
    if not others:
        raise Conflict("You could not sign in any more; choose a password or attach another service first")
    session.delete(logins[service])
    audit.record(session, "user_change_metadata", actor=actor, namespace=user, detached_login=service)


def sign_up(
    session: Session, settings: Settings, superusers: Superusers, service: str, person: Person, *, ip: str | None
) -> User:
    """A new account for a person who has none. Forbidden: nobody gets one; Conflict: somebody has the address."""
    try:
        return _sign_up(session, settings, superusers, service, person, ip=ip)
    except Conflict:
        # Who came by two windows at the same moment has taken name and address themselves.
        user = find_user(session, service, person)
        if user is None:
            raise
        return user


def _sign_up(
    session: Session, settings: Settings, superusers: Superusers, service: str, person: Person, *, ip: str | None
) -> User:
    known = person.email_verified and person.email is not None and is_address(person.email)
    email = person.email if known else None
    _check_admission(session, settings, email)
    if email is not None and session.scalar(select(User.id).where(User.email == email)) is not None:
        # To trust the service's word for the address would give it every account here.
        told = f"The address {email} belongs to an account here. Sign in to it, then attach this login to it."
        raise Conflict(told)
    user = users.create_user(
        session,
        _free_name(session, superusers, person),
        email=email,
        verified=email is not None,
        tag_expiration_s=settings.default_tag_expiration_s,
        actor=ANONYMOUS.at(ip),
    )
    user.prompts = prompts_for(settings, by_service=True) or None
    _add(session, user, service, person)
    return user


def _check_admission(session: Session, settings: Settings, email: str | None) -> None:
    if not settings.FEATURE_USER_CREATION:
        raise Forbidden("You have no account here, and accounts are only created by who runs this registry")
    if settings.FEATURE_INVITE_ONLY_USER_CREATION and not (email and is_invited(session, email)):
        raise Forbidden("You have no account here, and only who was invited to a team gets one")
    if settings.is_refused_address(email):
        raise Forbidden("Addresses like yours get no account here")


def _find(session: Session, service: str, person: Person) -> ExternalLogin | None:
    return session.scalar(
        select(ExternalLogin)
        .join(ExternalLogin.user)
        .options(contains_eager(ExternalLogin.user))
        .where(ExternalLogin.service == service, ExternalLogin.subject == person.subject)
    )


def _add(session: Session, user: User, service: str, person: Person) -> None:
    login = ExternalLogin(account_id=user.id, service=service, subject=person.subject, details=_details(person))
    session.add(login)
    session.flush()


def _details(person: Person) -> dict[str, str]:
    told = {"service_username": person.username, "email": person.email}
    return {name: value[:255] for name, value in told.items() if value is not None}


def _free_name(session: Session, superusers: Superusers, person: Person) -> str:
    """A name that nobody has, like the one the service suggests. No superuser's: the service must not make one."""
    wanted = _as_name(person.username or (person.email or "").partition("@")[0])
    for number in range(1, MOST_SUFFIXES):
        name = wanted if number == 1 else f"{wanted}-{number}"
        if name not in superusers.names and find_account(session, name) is None:
            return name
    return f"{wanted}-{session.scalar(select(func.max(User.id))) or 0}"


def _as_name(text: str) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", text.lower()[:LONGEST_NAME]).strip("-")
    return name if is_namespace(name) else "user"
