"""Signing in and out with a browser, and giving the password again, for the API and the pages alike."""

from typing import NamedTuple

from config.settings import Settings
from models import audit
from models.access import Identity, find_namespace, signed_in_user
from models.authentication import Superusers, check_confirmed, identify_user
from models.errors import Unauthenticated
from models.invitations import shows_address
from models.session import Database, Session
from models.sessions import begin_session, end_session, refresh_session
from models.tables import User

MOST_OF_AN_AGENT = 255


class Browser(NamedTuple):
    """Where a person signs in from: what the browser's cookie holds, its address, what it says of itself."""

    cookie: str | None
    ip: str | None
    agent: str


def sign_in(
    database: Database,
    superusers: Superusers,
    settings: Settings,
    browser: Browser,
    *,
    username: str,
    password: str,
    invite_code: str | None = None,
) -> str:
    """Begin a session for the user of that name (or address) and password; what the cookie has to hold.

    `invite_code`: of an invitation mailed to the user's address, which confirms it. Unauthenticated, Unconfirmed,
    TooMany. Quay operation signinUser.
    """
    try:
        caller = identify_user(database, superusers, username, password, ip=browser.ip).at(browser.ip)
    except Unauthenticated as exc:
        _note_failure(database, settings, username, exc.detail, browser)
        raise
    with database.write() as session:
        user = signed_in_user(session, caller)
        user.verified = user.verified or shows_address(session, invite_code, user.email)
        if settings.FEATURE_MAILING:
            check_confirmed(user)
        return admit_user(session, settings, user, browser, actor=caller)


def admit_user(
    session: Session, settings: Settings, user: User, browser: Browser, *, actor: Identity, by: str = "quayauth"
) -> str:
    """Begin a session for a user of whom we are sure; what the cookie has to hold. `by`: what made us sure."""
    if settings.ACTION_LOG_AUDIT_LOGINS:
        agent = browser.agent[:MOST_OF_AN_AGENT]
        audit.record(session, "login_success", actor=actor, namespace=user, type=by, useragent=agent)
    return begin_session(session, settings, user, instead_of=browser.cookie)


def sign_out(session: Session, settings: Settings, cookie: str, *, actor: Identity) -> None:
    """End the browser's session. Quay operation logout."""
    end_session(session, cookie)
    user = session.get(User, actor.account_id) if actor.account_id else None
    if user is not None and settings.ACTION_LOG_AUDIT_LOGINS:
        audit.record(session, "logout_success", actor=actor, namespace=user)


def confirm_password(database: Database, superusers: Superusers, password: str, *, actor: Identity) -> None:
    """Check the caller's own password; a browser session is fresh from then on. Unauthenticated, TooMany.

    Quay operation verifyUser.
    """
    identify_user(database, superusers, actor.name or "", password, ip=actor.ip)
    if actor.session_id is not None:
        with database.write() as session:
            refresh_session(session, actor)


def _note_failure(database: Database, settings: Settings, username: str, why: str, browser: Browser) -> None:
    if not settings.ACTION_LOG_AUDIT_LOGIN_FAILURES:
        return
    with database.write() as session:
        audit.record(
            session,
            "login_failure",
            actor=Identity(ip=browser.ip),
            namespace=find_namespace(session, username),
            type="quayauth",
            kind="user",
            useragent=browser.agent[:MOST_OF_AN_AGENT],
            username=username[:255],
            message=why,
        )
