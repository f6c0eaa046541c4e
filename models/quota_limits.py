"""How many bytes a namespace may use, and what happens near that: Quay's quotas with their limits."""

from typing import Any

from sqlalchemy import select

from models import audit
from models.access import Identity
from models.errors import Conflict, Invalid, NotFound
from models.session import Session
from models.tables import Account, Quota, QuotaLimit
from models.tables.quota import LimitKind

LARGEST = 1 << 53
"""More bytes than anybody has, few enough that a hundredfold still fits the database's integers."""


def find_quota(session: Session, namespace: Account) -> Quota | None:
    """The namespace's quota, if it has one."""
    return session.scalar(select(Quota).where(Quota.namespace_id == namespace.id))


def get_quota(session: Session, namespace: Account) -> Quota:
    """The same; NotFound."""
    quota = find_quota(session, namespace)
    if quota is None:
        raise NotFound("Not Found")
    return quota


def create_quota(session: Session, namespace: Account, limit_bytes: int, *, actor: Identity) -> Quota:
    """Give the namespace a quota without limits; Conflict if it has one. Quay: createOrganizationQuota."""
    if find_quota(session, namespace) is not None:
        raise Conflict(f"{namespace.name} has a quota already")
    quota = Quota(namespace_id=namespace.id, limit_bytes=_checked_bytes(limit_bytes))
    session.add(quota)
    session.flush()
    audit.record(session, "org_create_quota", actor=actor, namespace=namespace, limit=limit_bytes)
    return quota


def change_quota(session: Session, namespace: Account, limit_bytes: int, *, actor: Identity) -> Quota:
    """Quay: changeOrganizationQuota. What the namespace uses already stays, however much it is."""
    quota = get_quota(session, namespace)
    quota.limit_bytes = _checked_bytes(limit_bytes)
    audit.record(session, "org_change_quota", actor=actor, namespace=namespace, limit=limit_bytes)
    return quota


def remove_quota(session: Session, namespace: Account, *, actor: Identity) -> None:
    """Take the quota away, with its limits. Quay: deleteOrganizationQuota."""
    session.delete(get_quota(session, namespace))
    audit.record(session, "org_delete_quota", actor=actor, namespace=namespace)


def list_limits(session: Session, quota: Quota) -> list[QuotaLimit]:
    """The quota's limits, lowest first."""
    query = select(QuotaLimit).where(QuotaLimit.quota_id == quota.id)
    return list(session.scalars(query.order_by(QuotaLimit.threshold_percent, QuotaLimit.id)))


def create_limit(
    session: Session, namespace: Account, kind: str, threshold_percent: int, *, actor: Identity
) -> QuotaLimit:
    """Warn (Warning) or reject pushes (Reject) from a share of the quota on. Quay: createOrganizationQuotaLimit."""
    quota = get_quota(session, namespace)
    limit = QuotaLimit(
        quota_id=quota.id, kind=_checked_kind(kind), threshold_percent=_checked_percent(threshold_percent)
    )
    _refuse_twin(session, limit)
    session.add(limit)
    session.flush()
    _record(session, "org_create_quota_limit", namespace, limit, actor)
    return limit


def change_limit(
    session: Session, namespace: Account, limit_id: int, kind: str, threshold_percent: int, *, actor: Identity
) -> QuotaLimit:
    """Quay: changeOrganizationQuotaLimit."""
    limit = _get_limit(session, namespace, limit_id)
    with session.no_autoflush:
        limit.kind, limit.threshold_percent = _checked_kind(kind), _checked_percent(threshold_percent)
        _refuse_twin(session, limit)
    _record(session, "org_change_quota_limit", namespace, limit, actor)
    return limit


def remove_limit(session: Session, namespace: Account, limit_id: int, *, actor: Identity) -> None:
    """Quay: deleteOrganizationQuotaLimit."""
    limit = _get_limit(session, namespace, limit_id)
    session.delete(limit)
    _record(session, "org_delete_quota_limit", namespace, limit, actor)


def _get_limit(session: Session, namespace: Account, limit_id: int) -> QuotaLimit:
    mine = select(Quota.id).where(Quota.namespace_id == namespace.id)
    limit = session.scalar(select(QuotaLimit).where(QuotaLimit.id == limit_id, QuotaLimit.quota_id.in_(mine)))
    if limit is None:
        raise NotFound("Not Found")
    return limit


def _refuse_twin(session: Session, limit: QuotaLimit) -> None:
    same = select(QuotaLimit.id).where(
        QuotaLimit.quota_id == limit.quota_id,
        QuotaLimit.kind == limit.kind,
        QuotaLimit.threshold_percent == limit.threshold_percent,
    )
    if session.scalar(same) not in (None, limit.id):
        raise Conflict(f"there is a {limit.kind} limit at {limit.threshold_percent} percent already")


def _record(session: Session, kind: str, namespace: Account, limit: QuotaLimit, actor: Identity) -> None:
    told: dict[str, Any] = {"type": limit.kind, "threshold_percent": limit.threshold_percent}
    audit.record(session, kind, actor=actor, namespace=namespace, **told)


def _checked_bytes(limit_bytes: int) -> int:
    if not 0 < limit_bytes <= LARGEST:
        raise Invalid(f"limit_bytes: expected 1 to {LARGEST}")
    return limit_bytes


def _checked_percent(percent: int) -> int:
    if not 1 <= percent <= 100:
        raise Invalid("threshold_percent: expected 1 to 100")
    return percent


def _checked_kind(kind: str) -> LimitKind:
    if kind == "Warning":
        return "Warning"
    if kind == "Reject":
        return "Reject"
    raise Invalid("type: expected Warning or Reject")
