"""Users and their tokens from the command line, whether or not anything is running."""

from datetime import timedelta

from cli.database import OPERATOR, migrated
from config.settings import Settings
from models.tables.base import now
from models.tokens import create_oauth_token
from models.users import create_user, get_user


def add_user(settings: Settings, name: str, *, email: str, password: str, superuser: bool) -> None:
    """Create a user; DomainError tells why not."""
    with migrated(settings) as database, database.write() as session:
        create_user(
            session,
            name,
            email=email,
            password=password,
            superuser=superuser,
            tag_expiration_s=settings.default_tag_expiration_s,
            actor=OPERATOR,
        )


def add_token(settings: Settings, username: str, scopes: str) -> str:
    """A new OAuth access token of the user; DomainError tells why not."""
    expires_at = now() + timedelta(seconds=settings.OAUTH_ACCESS_TOKEN_LIFETIME_SEC)
    with migrated(settings) as database, database.write() as session:
        user = get_user(session, username)
        return create_oauth_token(session, user, scopes, expires_at=expires_at, actor=OPERATOR)
