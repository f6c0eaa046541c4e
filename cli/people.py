"""Users and their tokens from the command line, whether or not anything is running."""

from collections.abc import Iterator
from datetime import timedelta

from cli.database import OPERATOR, migrated
from config.settings import Settings
from models.passwords import hash_password
from models.tables import OAuthToken
from models.tables.base import now
from models.tokens import create_oauth_token, get_oauth_token, list_oauth_tokens, revoke_oauth_token
from models.users import change_user, create_user, get_user

PAGE = 500


def add_user(settings: Settings, name: str, *, email: str, password: str, superuser: bool) -> None:
    """Create a user; DomainError tells why not."""
    hashed = hash_password(password)
    with migrated(settings) as database, database.write() as session:
        create_user(
            session,
            name,
            email=email,
            password_hash=hashed,
            superuser=superuser,
            tag_expiration_s=settings.default_tag_expiration_s,
            actor=OPERATOR,
        )


def set_password(settings: Settings, name: str, password: str) -> None:
    """Give the user another password, which signs it out everywhere; DomainError tells why not."""
    hashed = hash_password(password)
    with migrated(settings) as database, database.write() as session:
        change_user(session, get_user(session, name), password_hash=hashed, actor=OPERATOR)


def add_token(settings: Settings, username: str, scopes: str) -> str:
    """A new OAuth access token of the user; DomainError tells why not."""
    expires_at = now() + timedelta(seconds=settings.OAUTH_ACCESS_TOKEN_LIFETIME_SEC)
    with migrated(settings) as database, database.write() as session:
        user = get_user(session, username)
        return create_oauth_token(session, user, scopes, expires_at=expires_at, actor=OPERATOR)


def list_tokens(settings: Settings, username: str | None) -> Iterator[str]:
    """A line for each access token, of one user or of all: what is known of it, in columns, first of all its id."""
    with migrated(settings) as database:
        with database.read() as session:
            user = get_user(session, username) if username else None
        last = 0
        while True:
            with database.read() as session:
                page = list_oauth_tokens(session, user, after=last, limit=PAGE)
                yield from map(_line, page)
            if len(page) < PAGE:
                return
            last = page[-1].id


def revoke_token(settings: Settings, uuid: str) -> str:
    """End the access token of that id; whose it was. DomainError tells why not."""
    with migrated(settings) as database, database.write() as session:
        row = get_oauth_token(session, uuid)
        owner = row.account
        revoke_oauth_token(session, row, log_to=owner, actor=OPERATOR)
        return owner.name


def _line(row: OAuthToken) -> str:
    name = row.application.name if row.name is None else f"{row.application.name} ({row.name})"
    used = f"used {row.last_accessed_at:%Y-%m-%d %H:%M}" if row.last_accessed_at else "never used"
    ends = f"until {row.expires_at:%Y-%m-%d}" if row.expires_at else "without end"
    if row.expires_at is not None and row.expires_at <= now():
        ends = "expired"
    return "\t".join((row.uuid, row.account.name, row.scopes, name, used, ends))
