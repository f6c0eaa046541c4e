"""Accounts, teams and tokens as tests need them, made by the domain functions."""

from models.access import ANONYMOUS, Identity
from models.session import Session
from models.tables import User
from models.tokens import create_oauth_token
from models.users import create_user

ALL_SCOPES = "repo:admin repo:create user:read user:admin org:admin super:user"


def make_user(session: Session, name: str, *, superuser: bool = False) -> User:
    """A user without a password: hashing one takes longer than a test."""
    return create_user(session, name, email=f"{name}@example.com", superuser=superuser, actor=ANONYMOUS)


def make_token(session: Session, user: User, scopes: str = ALL_SCOPES) -> str:
    return create_oauth_token(session, user, scopes, actor=identity_of(user))


def identity_of(user: User) -> Identity:
    return Identity(kind="user", account_id=user.id, name=user.name)
