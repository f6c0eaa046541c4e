"""Tokens that stand for somebody: made here, shown once, recognized in models.authentication."""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from models import audit
from models.access import Identity
from models.errors import Invalid, NotFound
from models.scopes import SCOPES, named_scopes
from models.session import Session
from models.tables import (
    Account,
    OAuthApplication,
    OAuthToken,
    User,
)
from models.tables.base import now
from models.vault import new_token

INSTANCE_CLIENT_ID = "drydock"
"""The application that tokens made by the operators of the installation belong to; no organization owns it."""


def create_oauth_token(
    session: Session, user: Account, scopes: str, *, expires_at: datetime | None = None, actor: Identity
) -> str:
    """A new access token of the installation itself for the user; it cannot be shown again.

    `scopes`: names with spaces or commas between them. Invalid: an unknown scope, none, or a time gone by.
    """
    if user.kind != "user":
        raise Invalid(f"{user.name} is not a user, and only users have access tokens")
    _, token = issue_oauth_token(
        session, _instance_application(session), user, scopes, expires_at=expires_at, log_to=user, actor=actor
    )
    return token


def issue_oauth_token(
    session: Session,
    application: OAuthApplication,
    user: Account,
    scopes: str,
    *,
    name: str | None = None,
    expires_at: datetime | None,
    log_to: Account | None,
    actor: Identity,
) -> tuple[OAuthToken, str]:
    """The application's new access token for the user, and its row; it cannot be shown again. Invalid, as above.

    `log_to`: whose log tells of it.
    """
    token = new_token()
    row = keep_oauth_token(
        session, application, user, token, scopes, name=name, expires_at=expires_at, log_to=log_to, actor=actor
    )
    return row, token


def keep_oauth_token(
    session: Session,
    application: OAuthApplication,
    user: Account,
    token: str,
    scopes: str,
    *,
    name: str | None = None,
    expires_at: datetime | None,
    log_to: Account | None,
    actor: Identity,
) -> OAuthToken:
    """The row of an access token that was made elsewhere, from `new_token`."""
    named = check_scopes(scopes)
    _check_expiry(expires_at)
    row = OAuthToken(
        application_id=application.id,
        account_id=user.id,
        token_hash=session.vault.fingerprint(token),
        scopes=" ".join(named),
        name=name,
        expires_at=expires_at,
    )
    session.add(row)
    session.flush()
    _record(session, "create_oauth_api_token", row, application, log_to=log_to, actor=actor, scope=row.scopes)
    return row


def revoke_oauth_token(session: Session, row: OAuthToken, *, log_to: Account | None, actor: Identity) -> None:
    """End an access token. `log_to`: whose log tells of it."""
    _record(session, "revoke_oauth_api_token", row, row.application, log_to=log_to, actor=actor)
    session.delete(row)


def list_oauth_tokens(session: Session, user: User | None, *, after: int = 0, limit: int) -> list[OAuthToken]:
    """The user's access tokens, or everybody's, with user and application, by age from the one after id `after`."""
    query = select(OAuthToken).options(joinedload(OAuthToken.account), joinedload(OAuthToken.application))
    if user is not None:
        query = query.where(OAuthToken.account_id == user.id)
    return list(session.scalars(query.where(OAuthToken.id > after).order_by(OAuthToken.id).limit(limit)))


def get_oauth_token(session: Session, uuid: str) -> OAuthToken:
    """The row of an access token by its id; NotFound."""
    row = session.scalar(select(OAuthToken).where(OAuthToken.uuid == uuid))
    if row is None:
        raise NotFound(f"There is no access token with the id {uuid}")
    return row


def find_oauth_token(session: Session, token: str) -> OAuthToken | None:
    """The row of an access token as it is presented, whether or not it is still good."""
    return session.scalar(select(OAuthToken).where(OAuthToken.token_hash.in_(session.vault.fingerprints(token))))


def check_scopes(text: str) -> list[str]:
    """The scopes named in `text`, each once; Invalid if one is unknown or there is none."""
    named = named_scopes(text)
    if named is None:
        unknown = [name for name in text.replace(",", " ").split() if name not in SCOPES]
        told = f"unknown scope {unknown[0][:60]!r}" if unknown else "name at least one scope"
        raise Invalid(f"scope: {told}; the scopes are {', '.join(SCOPES)}")
    return named


def _record(
    session: Session,
    kind: str,
    row: OAuthToken,
    application: OAuthApplication,
    *,
    log_to: Account | None,
    actor: Identity,
    **detail: Any,
) -> None:
    """Write down what became of an access token."""
    audit.record(
        session,
        kind,
        actor=actor,
        namespace=log_to,
        oauth_token_uuid=row.uuid,
        token_display_name=row.name,
        application_name=application.name,
        client_id=application.client_id,
        **detail,
    )


def _check_expiry(expires_at: datetime | None) -> None:
    if expires_at is not None and expires_at <= now():
        raise Invalid("expiration: expected a moment in the future")


def _instance_application(session: Session) -> OAuthApplication:
    application = session.scalar(select(OAuthApplication).where(OAuthApplication.client_id == INSTANCE_CLIENT_ID))
    if application is None:
        application = OAuthApplication(client_id=INSTANCE_CLIENT_ID, name="Drydock")
        session.add(application)
        session.flush()
    return application
