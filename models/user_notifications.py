"""What users are told inside of the product: notices for one user, or for all who administer an organization."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, Select, and_, delete, or_, select
from sqlalchemy.orm import contains_eager

from models.errors import NotFound
from models.session import Session
from models.tables import Account, Team, TeamMember, User, UserNotification
from models.tables.base import now

KEPT = timedelta(days=180)
"""For how long notices can be looked at."""


def notify(session: Session, target: Account, kind: str, detail: dict[str, Any]) -> UserNotification:
    """Tell a user, or an organization's administrators. `kind` and the keys of `detail` are Quay's."""
    notice = UserNotification(account_id=target.id, kind=kind, detail=detail)
    session.add(notice)
    return notice


def withdraw(session: Session, target: Account, kind: str, **matching: Any) -> int:
    """Remove the notices of that kind whose detail has these values; how many."""
    mine = select(UserNotification).where(UserNotification.account_id == target.id, UserNotification.kind == kind)
    matched = [
        notice.id
        for notice in session.scalars(mine)
        if all(notice.detail.get(key) == value for key, value in matching.items())
    ]
    session.execute(delete(UserNotification).where(UserNotification.id.in_(matched)))
    return len(matched)


def list_notices(
    session: Session, user: User, *, page: int = 0, limit: int = 5
) -> tuple[Sequence[UserNotification], bool]:
    """The user's notices that nobody dismissed, newest first, and whether there are more.

    Quay operation listUserNotifications.
    """
    query = _seen_by(user).where(UserNotification.dismissed.is_(False)).order_by(UserNotification.id.desc())
    found = session.scalars(query.offset(page * limit).limit(limit + 1)).all()
    return found[:limit], len(found) > limit


def get_notice(session: Session, user: User, uuid: str) -> UserNotification:
    """One of them, dismissed or not; NotFound. Quay operation getUserNotification."""
    notice = session.scalar(_seen_by(user).where(UserNotification.uuid == uuid))
    if notice is None:
        raise NotFound("Not Found")
    return notice


def forget_old(session: Session, *, limit: int = 1000) -> int:
    """Delete notices that nobody needs any more; how many, which is `limit` if there may be more."""
    oldest = select(UserNotification.id, UserNotification.created_at).order_by(UserNotification.id).limit(limit)
    rows = oldest.subquery()
    old = select(rows.c.id).where(rows.c.created_at < now() - KEPT)
    done = session.execute(delete(UserNotification).where(UserNotification.id.in_(old)))
    return cast("CursorResult[Any]", done).rowcount


def _seen_by(user: User) -> Select[UserNotification]:
    return (
        select(UserNotification)
        .join(UserNotification.account)
        .options(contains_eager(UserNotification.account))
        .where(_for(user))
    )


def _for(user: User) -> ColumnElement[bool]:
    administered = (
        select(Team.organization_id)
        .join(TeamMember, TeamMember.team_id == Team.id)
        .where(and_(TeamMember.account_id == user.id, Team.role == "admin"))
    )
    return or_(UserNotification.account_id == user.id, UserNotification.account_id.in_(administered))
