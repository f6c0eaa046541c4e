"""One-time codes: leave to do one thing for an account, for who reads mail at an address."""

import secrets
from collections.abc import Collection
from datetime import timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import contains_eager

from models.errors import Invalid
from models.session import Session
from models.tables import OneTimeCode, User
from models.tables.base import now
from models.tables.codes import Purpose

VOID = "This link is not valid any more. It works once, and only for a while; ask for another one."


def issue_code(session: Session, user: User, purpose: Purpose, email: str, *, lifetime: timedelta) -> str:
    """A new code, to be mailed to the address; those made before for the same purpose are void."""
    mine = (OneTimeCode.account_id == user.id) & (OneTimeCode.purpose == purpose)
    session.execute(delete(OneTimeCode).where(mine | (OneTimeCode.expires_at <= now())))
    code = secrets.token_urlsafe(32)
    session.add(
        OneTimeCode(
            account_id=user.id,
            purpose=purpose,
            code_hash=session.vault.fingerprint(code),
            email=email,
            expires_at=now() + lifetime,
        )
    )
    return code


def get_code(session: Session, code: str, purposes: Collection[Purpose]) -> OneTimeCode:
    """The row of a code that is still good for one of the purposes, its user loaded with it; Invalid."""
    row = session.scalar(
        select(OneTimeCode)
        .join(OneTimeCode.user)
        .options(contains_eager(OneTimeCode.user))
        .where(OneTimeCode.code_hash.in_(session.vault.fingerprints(code)))
    )
    if row is None or row.purpose not in purposes or row.expires_at <= now() or not row.user.enabled:
        raise Invalid(VOID)
    return row


def use_code(session: Session, row: OneTimeCode) -> None:
    """Make the code void, in the transaction of what it allows: of two who come with it, one is refused (Invalid)."""
    used = session.scalar(delete(OneTimeCode).where(OneTimeCode.id == row.id).returning(OneTimeCode.id))
    if used is None:
        raise Invalid(VOID)


def void_codes(session: Session, user: User) -> None:
    """Make all codes of the user void: somebody else may read the mail that carried them."""
    session.execute(delete(OneTimeCode).where(OneTimeCode.account_id == user.id))
