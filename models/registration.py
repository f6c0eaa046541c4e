"""How accounts begin: people who create their own, and the first one of an installation."""

from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import text

from config.settings import Settings
from models import letters, users
from models.access import Identity
from models.authentication import Superusers
from models.codes import issue_code
from models.errors import Forbidden, Invalid
from models.invitations import shows_address
from models.passwords import hash_password
from models.scopes import SCOPES
from models.session import Session
from models.tables import User
from models.tables.base import now
from models.tokens import create_oauth_token

CONFIRMATION_LIFETIME = timedelta(days=7)
FIRST_TOKEN_LIFETIME = timedelta(days=30)


class NewAccount(NamedTuple):
    """What somebody who wants an account says."""

    name: str
    email: str | None
    password: str
    invite_code: str | None = None


def check_registration(settings: Settings, superusers: Superusers, wanted: NewAccount) -> str:
    """Refuse (Invalid, Forbidden) what nobody may create; the hash of the password, which takes a while to make."""
    if settings.FEATURE_MAILING and not wanted.email:
        raise Invalid("Email address is required")
    if settings.FEATURE_INVITE_ONLY_USER_CREATION and not wanted.invite_code:
        raise Invalid("Cannot create non-invited user")
    if settings.is_refused_address(wanted.email):
        told = "Creation of a user account for this e-mail is disabled; please contact an administrator"
        raise Invalid(told)
    if wanted.name in superusers.names:
        # Whoever came first would be a superuser.
        raise Forbidden("This username is reserved for a superuser; whoever runs this registry can create it")
    return hash_password(wanted.password)


def register(session: Session, settings: Settings, wanted: NewAccount, *, password_hash: str, actor: Identity) -> User:
    """Create an account for who asks. Where mail is sent, its address has to be confirmed before it can sign in; the
    code of an invitation that was mailed there does that, too.

    Invalid, Conflict. Quay operation createNewUser.
    """
    invited = shows_address(session, wanted.invite_code, wanted.email)
    if settings.FEATURE_INVITE_ONLY_USER_CREATION and not invited:
        raise Invalid("Cannot create non-invited user")
    user = users.create_user(
        session,
        wanted.name,
        email=wanted.email,
        password_hash=password_hash,
        verified=invited or not settings.FEATURE_MAILING,
        tag_expiration_s=settings.default_tag_expiration_s,
        actor=actor,
    )
    user.prompts = prompts_for(settings)
    ask_for_confirmation(session, settings, user)
    return user


def create_for(
    session: Session, settings: Settings, name: str, *, email: str | None, password_hash: str, actor: Identity
) -> User:
    """Create an account for somebody else, who has to confirm the address where mail is sent. Invalid, Conflict.

    Quay operation createInstallUser.
    """
    user = users.create_user(
        session,
        name,
        email=email,
        password_hash=password_hash,
        verified=not (settings.FEATURE_MAILING and email),
        tag_expiration_s=settings.default_tag_expiration_s,
        actor=actor,
    )
    ask_for_confirmation(session, settings, user)
    return user


def initialize(
    session: Session, settings: Settings, name: str, *, email: str | None, password_hash: str, actor: Identity
) -> User:
    """Create the installation's first user, a superuser; Invalid if there is a user already."""
    if session.get_bind().dialect.name != "sqlite":  # where writers take turns anyhow
        session.execute(text("LOCK TABLE account IN SHARE ROW EXCLUSIVE MODE"))
    refuse_second(session)
    return users.create_user(
        session,
        name,
        email=email,
        password_hash=password_hash,
        superuser=True,
        tag_expiration_s=settings.default_tag_expiration_s,
        actor=actor,
    )


def refuse_second(session: Session) -> None:
    """Invalid if there is a user already."""
    if users.has_users(session):
        raise Invalid("Cannot initialize user in a non-empty database")


def first_token(session: Session, user: User, *, actor: Identity) -> str:
    """An access token for everything, for the programs that set up the installation."""
    return create_oauth_token(session, user, " ".join(SCOPES), expires_at=now() + FIRST_TOKEN_LIFETIME, actor=actor)


def ask_for_confirmation(session: Session, settings: Settings, user: User) -> None:
    """Mail the user a link by which to confirm the address, if that is needed."""
    if user.verified or not settings.FEATURE_MAILING or user.email is None:
        return
    code = issue_code(session, user, "confirm", user.email, lifetime=CONFIRMATION_LIFETIME)
    letters.confirm_address(session, settings, user, code, to=user.email)


def prompts_for(settings: Settings, *, by_service: bool = False) -> list[str]:
    """What a new user is asked for. `by_service`: another service has chosen the user name."""
    prompts = ["confirm_username"] if by_service and settings.FEATURE_USERNAME_CONFIRMATION else []
    return prompts + (["enter_name", "enter_company"] if settings.FEATURE_USER_METADATA else [])
