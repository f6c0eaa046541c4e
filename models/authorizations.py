"""What a user has allowed applications to do: the access tokens, as their user sees them."""

from typing import Any

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import contains_eager

from models.access import Identity
from models.errors import NotFound
from models.scopes import parse_scopes
from models.session import Session
from models.tables import Account, OAuthApplication, OAuthToken, User
from models.tables.base import now
from models.tokens import revoke_oauth_token


def list_authorizations(session: Session, user: User, *, after: int = 0, limit: int) -> list[OAuthToken]:
    """The user's tokens that are still good, by age, from the one after id `after`.

    Each with its application and that one's organization. Quay operation listUserAuthorizations.
    """
    query = _of(user).where(_alive(), OAuthToken.id > after)
    return list(session.scalars(query.order_by(OAuthToken.id).limit(limit)))


def get_authorization(session: Session, user: User, uuid: str) -> OAuthToken:
    """One of them; NotFound. Quay operation getUserAuthorization."""
    row = session.scalar(_of(user).where(_alive(), OAuthToken.uuid == uuid))
    if row is None:
        raise NotFound("Not Found")
    return row


def remove_authorization(session: Session, user: User, uuid: str, *, actor: Identity) -> None:
    """End one of them; NotFound. Quay operation deleteUserAuthorization."""
    revoke_oauth_token(session, get_authorization(session, user, uuid), log_to=user, actor=actor)


def has_granted(session: Session, application: OAuthApplication, user: Account, scopes: str) -> bool:
    """Whether the user has allowed the application all of `scopes` already, by tokens that are still good.

    Named tokens do not count: their user made them by hand, for programs other than what redirects lead to.
    """
    rows = session.scalars(
        select(OAuthToken.scopes)
        .where(OAuthToken.application_id == application.id, OAuthToken.account_id == user.id)
        .where(OAuthToken.name.is_(None), _alive())
        .distinct()
    )
    wanted = parse_scopes(scopes)
    return wanted is not None and wanted <= frozenset().union(*(parse_scopes(row) or () for row in rows))


def _of(user: User) -> Select[OAuthToken]:
    return (
        select(OAuthToken)
        .join(OAuthToken.application)
        .outerjoin(OAuthApplication.organization)
        .options(contains_eager(OAuthToken.application).contains_eager(OAuthApplication.organization))
        .where(OAuthToken.account_id == user.id)
    )


def _alive() -> Any:
    return or_(OAuthToken.expires_at.is_(None), OAuthToken.expires_at > now())
