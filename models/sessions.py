"""Browser sessions: begun by signing in, found by what the cookie holds, ended by signing out or a new password."""

import secrets
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import contains_eager

from config.settings import Settings
from models.access import Identity
from models.authentication import Superusers
from models.session import Database, Session
from models.tables import BrowserSession, User
from models.tables.base import now

MOST_OF_ONE_USER = 50
"""Sessions that a user may have at a time; the oldest give way."""
USE_NOTED_EVERY = timedelta(minutes=5)
"""How exactly it is known when a session was used: noting it costs a write."""


def new_value() -> str:
    """What the cookie of a browser holds: of one that is signed in, or of one that is about to."""
    return secrets.token_urlsafe(32)


def begin_session(session: Session, settings: Settings, user: User, *, instead_of: str | None = None) -> str:
    """Sign the user in; what the cookie has to hold. Ends the session `instead_of` whose place it takes."""
    value = new_value()
    if instead_of is not None:
        end_session(session, instead_of)
    _forget_old_ones(session, settings, user)
    session.add(BrowserSession(account_id=user.id, token_hash=session.vault.fingerprint(value)))
    return value


def find_session(database: Database, superusers: Superusers, settings: Settings, value: str) -> Identity | None:
    """Who is signed in with a cookie that holds `value`; None if nobody is, or may be any longer."""
    with database.read() as session:
        row = session.scalar(
            select(BrowserSession)
            .join(BrowserSession.user)
            .options(contains_eager(BrowserSession.user))
            .where(BrowserSession.token_hash.in_(session.vault.fingerprints(value)))
        )
    present = now()
    if row is None or not row.user.enabled or _is_over(row, settings, present):
        return None
    if present - row.used_at >= USE_NOTED_EVERY:
        _note_use(database, row, present)
    # Who has no password cannot be asked for it (as in Quay).
    fresh = present - row.authenticated_at < settings.fresh_login_timeout or row.user.password_hash is None
    return superusers.identify(row.user).in_session(row.id, fresh=fresh)


def refresh_session(session: Session, caller: Identity) -> None:
    """Note that the caller has just given the password again."""
    session.execute(update(BrowserSession).where(BrowserSession.id == caller.session_id).values(authenticated_at=now()))


def end_session(session: Session, value: str) -> None:
    """End the session of the cookie that holds `value`, if there is one."""
    hashes = session.vault.fingerprints(value)
    session.execute(delete(BrowserSession).where(BrowserSession.token_hash.in_(hashes)))


def end_sessions(session: Session, user: User) -> None:
    """Sign the user out everywhere."""
    session.execute(delete(BrowserSession).where(BrowserSession.account_id == user.id))


def _is_over(row: BrowserSession, settings: Settings, present: datetime) -> bool:
    return present - row.created_at >= settings.session_lifetime or present - row.used_at >= settings.session_idle_time


def _note_use(database: Database, row: BrowserSession, present: datetime) -> None:
    with database.write() as session:
        session.execute(
            update(BrowserSession)
            .where(BrowserSession.id == row.id, BrowserSession.used_at == row.used_at)
            .values(used_at=present)
        )


def _forget_old_ones(session: Session, settings: Settings, user: User) -> None:
    """Remove everybody's sessions that are over for lack of use, and the user's own beyond MOST_OF_ONE_USER."""
    session.execute(delete(BrowserSession).where(BrowserSession.used_at < now() - settings.session_idle_time))
    newest = (
        select(BrowserSession.id)
        .where(BrowserSession.account_id == user.id)
        .order_by(BrowserSession.id.desc())
        .limit(MOST_OF_ONE_USER - 1)
    )
    kept = session.scalars(newest).all()
    if len(kept) == MOST_OF_ONE_USER - 1:
        # By their numbers and not as "all others", which would be those too that begin at this moment.
        mine = BrowserSession.account_id == user.id
        session.execute(delete(BrowserSession).where(mine, BrowserSession.id < kept[-1]))
