"""Application-specific tokens: passwords for one program each (`$app`), with all the rights of their user.

Quay shows them again to their user, so they are kept encrypted beside their hash.
"""

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import joinedload

from models import audit
from models.access import Identity
from models.errors import Invalid, NotFound
from models.session import Session
from models.tables import AppToken, User
from models.tables.base import now
from models.vault import new_token

TOKEN_LENGTH = 64
LONGEST_TITLE = 255


def create_app_token(
    session: Session, user: User, title: str, *, lifetime: timedelta | None = None, actor: Identity
) -> AppToken:
    """A password for one program of the user's. Invalid: the title. Quay operation createAppToken."""
    if not 1 <= len(title) <= LONGEST_TITLE:
        raise Invalid(f"title: expected 1 to {LONGEST_TITLE} characters")
    token = new_token(TOKEN_LENGTH)
    row = AppToken(
        account_id=user.id,
        title=title,
        token_hash=session.vault.fingerprint(token),
        encrypted_token=session.vault.encrypt(token),
        expires_at=now() + lifetime if lifetime else None,
    )
    session.add(row)
    session.flush()
    _record(session, "create_app_specific_token", row, user, actor=actor)
    return row


def get_app_token(session: Session, user: User, uuid: str) -> AppToken:
    """A token of the user's; NotFound. Quay operation getAppToken."""
    row = session.scalar(select(AppToken).where(AppToken.uuid == uuid, AppToken.account_id == user.id))
    if row is None:
        raise NotFound("Not Found")
    return row


def code_of(session: Session, token: AppToken) -> str | None:
    """The token as it is presented; None of one from a time when only its hash was kept."""
    return session.vault.decrypt(token.encrypted_token) if token.encrypted_token else None


def list_app_tokens(session: Session, user: User, *, expiring: timedelta | None = None) -> list[AppToken]:
    """The user's tokens, oldest first. `expiring`: those that have so long to live, or less."""
    query = select(AppToken).where(AppToken.account_id == user.id, *_expiring(expiring))
    return list(session.scalars(query.order_by(AppToken.id)))


def list_everybodys_app_tokens(
    session: Session, *, expiring: timedelta | None = None, after: int = 0, limit: int
) -> list[AppToken]:
    """All tokens, with their users, from the one behind id `after` on. Quay operation listAllAppTokens."""
    query = select(AppToken).where(AppToken.id > after, *_expiring(expiring)).options(joinedload(AppToken.account))
    return list(session.scalars(query.order_by(AppToken.id).limit(limit)))


def revoke_app_token(session: Session, user: User, token: AppToken, *, actor: Identity) -> None:
    """Take the token away; it is void at once. Quay operation revokeAppToken."""
    _record(session, "revoke_app_specific_token", token, user, actor=actor)
    session.delete(token)


def _expiring(within: timedelta | None) -> list[ColumnElement[bool]]:
    return [] if within is None else [AppToken.expires_at > now(), AppToken.expires_at <= now() + within]


def _record(session: Session, kind: str, token: AppToken, user: User, *, actor: Identity) -> None:
    told: dict[str, Any] = {"app_specific_token_title": token.title, "app_specific_token": token.uuid}
    audit.record(session, kind, actor=actor, namespace=user, **told)
