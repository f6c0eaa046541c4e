"""Access tokens that administrators of an organization make for one of its applications, and those it was given."""

from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import contains_eager

from models.access import Identity
from models.errors import Forbidden, Invalid, NotFound
from models.scopes import parse_scopes
from models.session import Session
from models.tables import OAuthApplication, OAuthToken, User
from models.tables.base import now
from models.tokens import check_scopes, issue_oauth_token, revoke_oauth_token

LONGEST_NAME = 255
MOST_TOKENS = 1000
"""Named tokens of an application that are good at a time."""


def create_application_token(
    session: Session,
    application: OAuthApplication,
    user: User,
    name: str,
    scopes: str,
    *,
    expires_at: datetime | None,
    actor: Identity,
) -> tuple[OAuthToken, str]:
    """A named token of the application that acts for `user`, who makes it; shown this once. Invalid, Forbidden.

    Nobody can give it more than they hold themselves. Quay operation createOrganizationApplicationToken.
    """
    name = name.strip()
    if not 1 <= len(name) <= LONGEST_NAME:
        raise Invalid(f"name: expected 1 to {LONGEST_NAME} characters")
    check_scopes(scopes)
    refuse_wider_scopes(actor, scopes)
    active = select(func.count()).where(OAuthToken.application_id == application.id, OAuthToken.name.is_not(None))
    alive = or_(OAuthToken.expires_at.is_(None), OAuthToken.expires_at > now())
    if (session.scalar(active.where(alive)) or 0) >= MOST_TOKENS:
        raise Invalid(f"Token limit reached: maximum {MOST_TOKENS} non-expired tokens per application")
    return issue_oauth_token(
        session,
        application,
        user,
        scopes,
        name=name,
        expires_at=expires_at,
        log_to=application.organization,
        actor=actor,
    )


def refuse_wider_scopes(caller: Identity, scopes: str) -> None:
    """Refuse scopes that the caller's own token does not cover, or that its account has no use for: Forbidden."""
    for scope in sorted(parse_scopes(scopes) or ()):
        if not caller.may_use(scope):
            raise Forbidden(f"The access token lacks the scope {scope}, so it cannot make one that has it")
        if scope == "super:user" and not caller.superuser:
            raise Forbidden("Only superusers can make tokens with the scope super:user")


def list_application_tokens(
    session: Session, application: OAuthApplication, *, after: int = 0, limit: int
) -> list[OAuthToken]:
    """The application's tokens by age, their users loaded with them, from the one after id `after`.

    Quay operation listOrganizationApplicationTokens.
    """
    query = (
        select(OAuthToken)
        .join(OAuthToken.account)
        .options(contains_eager(OAuthToken.account))
        .where(OAuthToken.application_id == application.id, OAuthToken.id > after)
    )
    return list(session.scalars(query.order_by(OAuthToken.id).limit(limit)))


def remove_application_token(session: Session, application: OAuthApplication, uuid: str, *, actor: Identity) -> None:
    """End one token of the application; NotFound. Quay operation deleteOrganizationApplicationToken."""
    row = session.scalar(select(OAuthToken).where(OAuthToken.application_id == application.id, OAuthToken.uuid == uuid))
    if row is None:
        raise NotFound("Not Found")
    revoke_oauth_token(session, row, log_to=application.organization, actor=actor)
