"""Tokens assigned to a user by an administrator of the application's organization; the user has to consent."""

from sqlalchemy import func, select
from sqlalchemy.orm import contains_eager

from models import audit
from models.access import Identity
from models.errors import Conflict, NotFound
from models.session import Session
from models.tables import OAuthApplication, TokenAssignment, User
from models.tokens import check_scopes

MOST_ASSIGNED = 200
"""Assignments that may wait for one user."""


def assign_token(
    session: Session,
    application: OAuthApplication,
    user: User,
    scopes: str,
    *,
    redirect_uri: str,
    response_type: str,
    actor: Identity,
) -> TokenAssignment:
    """Prepare a token of the application for the user, who gets it by consenting. Invalid, Forbidden, Conflict."""
    named = check_scopes(scopes)
    waiting = select(func.count()).where(TokenAssignment.account_id == user.id)
    if (session.scalar(waiting) or 0) >= MOST_ASSIGNED:
        raise Conflict(f"{MOST_ASSIGNED} tokens are assigned to {user.name} already and wait for consent")
    row = TokenAssignment(
        application=application,
        account_id=user.id,
        redirect_uri=redirect_uri,
        scopes=" ".join(named),
        response_type=response_type,
    )
    session.add(row)
    session.flush()
    _record(session, "oauth_token_assigned", row, user, actor)
    return row


def list_assignments(session: Session, user: User) -> list[TokenAssignment]:
    """What is assigned to the user, by age, each with its application and that one's organization.

    Quay operation listAssignedAuthorizations.
    """
    query = (
        select(TokenAssignment)
        .join(TokenAssignment.application)
        .join(OAuthApplication.organization)
        .options(contains_eager(TokenAssignment.application).contains_eager(OAuthApplication.organization))
        .where(TokenAssignment.account_id == user.id)
    )
    return list(session.scalars(query.order_by(TokenAssignment.id).limit(MOST_ASSIGNED)))


def remove_assignment(session: Session, user: User, uuid: str, *, actor: Identity) -> None:
    """Decline what was assigned; NotFound. Quay operation deleteAssignedAuthorization."""
    row = _find(session, user, uuid)
    if row is None:
        raise NotFound("Not Found")
    _record(session, "oauth_token_revoked", row, user, actor)
    session.delete(row)


def fulfil_assignment(session: Session, application: OAuthApplication, user: User, uuid: str) -> None:
    """Forget what was assigned, if this is it: the user has consented, and gets the token."""
    row = _find(session, user, uuid)
    if row is not None and row.application_id == application.id:
        session.delete(row)


def _find(session: Session, user: User, uuid: str) -> TokenAssignment | None:
    return session.scalar(
        select(TokenAssignment).where(TokenAssignment.account_id == user.id, TokenAssignment.uuid == uuid)
    )


def _record(session: Session, kind: str, row: TokenAssignment, user: User, actor: Identity) -> None:
    audit.record(
        session,
        kind,
        actor=actor,
        namespace=row.application.organization,
        assigned_user=user.name,
        assigning_user=actor.name if kind == "oauth_token_assigned" else None,
        application=row.application.name,
        client_id=row.application.client_id,
        scope=row.scopes,
    )
