"""Authorization codes (RFC 6749, section 4.1): made when a user consents, exchanged once and soon for a token."""

from datetime import timedelta

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import joinedload

from models.access import Identity
from models.session import Session
from models.tables import Account, AuthorizationCode, OAuthApplication, OAuthToken
from models.tables.base import now
from models.tokens import revoke_oauth_token

LIFETIME = timedelta(minutes=2)
"""From consent to exchange; applications take a second."""
KEPT = timedelta(days=1)
"""How much longer a code is known, so that its second use is noticed."""


def create_code(
    session: Session,
    application: OAuthApplication,
    user: Account,
    code: str,
    scopes: str,
    *,
    redirect_uri: str | None,
    code_challenge: str | None,
) -> AuthorizationCode:
    """Keep `code`, which the application can exchange for a token of the user with these scopes.

    `redirect_uri` and `code_challenge` (S256): what the request had, and the exchange has to match.
    """
    session.execute(delete(AuthorizationCode).where(AuthorizationCode.expires_at < now() - KEPT))
    row = AuthorizationCode(
        application_id=application.id,
        account_id=user.id,
        code_hash=session.vault.fingerprint(code),
        redirect_uri=redirect_uri,
        scopes=scopes,
        code_challenge=code_challenge,
        expires_at=now() + LIFETIME,
    )
    session.add(row)
    session.flush()
    return row


def is_code(session: Session, code: str) -> bool:
    """Whether somebody was given the code lately, used or not."""
    hashes = session.vault.fingerprints(code)
    return session.scalar(select(exists().where(AuthorizationCode.code_hash.in_(hashes)))) is True


def claim_code(
    session: Session, application: OAuthApplication, code: str, *, actor: Identity
) -> AuthorizationCode | None:
    """The application's code, locked until this transaction ends; None if it has none that is good.

    A code that was used before is in two hands, so the token that it became ends (section 4.1.2).
    """
    hashes = session.vault.fingerprints(code)
    row = session.scalar(
        select(AuthorizationCode)
        .options(joinedload(AuthorizationCode.account))
        .where(AuthorizationCode.code_hash.in_(hashes), AuthorizationCode.application_id == application.id)
        .with_for_update(of=AuthorizationCode)
    )
    if row is not None and row.used_at is not None:
        _end_token(session, row, actor)
        return None
    return None if row is None or row.expires_at <= now() else row


def use_code(row: AuthorizationCode, token: OAuthToken) -> None:
    """Note that the code became this token."""
    row.used_at = now()
    row.token_id = token.id


def _end_token(session: Session, row: AuthorizationCode, actor: Identity) -> None:
    token = session.get(OAuthToken, row.token_id) if row.token_id else None
    if token is not None:
        revoke_oauth_token(session, token, log_to=row.account, actor=actor)
