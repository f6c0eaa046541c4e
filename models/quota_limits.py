"""How many bytes a namespace may use, and what happens near that: Quay's quotas with their limits."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select

from models import audit
from models.access import Identity
from models.errors import Conflict, Invalid, NotFound
from models.quota import sizes_of
from models.session import Session
from models.tables import Account, Quota, QuotaLimit
from models.tables.quota import LimitKind

LARGEST = 1 << 53
"""More bytes than anybody has, few enough that a hundredfold still fits the database's integers."""
_UNITS = ("Byte", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_SIZE = re.compile(r"([0-9]{1,30})\s?(?:B|([KMGTPEZY])(i?)B?)?", re.ASCII)


@dataclass(frozen=True)
class Allowance:
    """What a namespace uses, and the quota it has, if it has one."""

    used_bytes: int
    quota: Quota | None
    limits: list[QuotaLimit]


def allowances(session: Session, namespace_ids: Sequence[int]) -> dict[int, Allowance]:
    """What each of the namespaces uses and may use."""
    sizes = sizes_of(session, namespace_ids)
    quotas = {quota.namespace_id: quota for quota in session.scalars(_of(namespace_ids))}
    limits: dict[int, list[QuotaLimit]] = defaultdict(list)
    if quotas:
        for limit in session.scalars(_limits_of([quota.id for quota in quotas.values()])):
            limits[limit.quota_id].append(limit)

    def allowance(id_: int) -> Allowance:
        quota = quotas.get(id_)
        return Allowance(sizes[id_], quota, limits[quota.id] if quota else [])

    return {id_: allowance(id_) for id_ in namespace_ids}


def find_quota(session: Session, namespace: Account) -> Quota | None:
    """The namespace's quota, if it has one."""
    return session.scalar(_of([namespace.id]))


def get_quota(session: Session, namespace: Account, quota_id: int | None = None) -> Quota:
    """The same; NotFound, also where it has not the given id."""
    quota = find_quota(session, namespace)
    if quota is None or quota_id not in (None, quota.id):
        raise NotFound("Not Found")
    return quota


def create_quota(session: Session, namespace: Account, limit_bytes: int, *, actor: Identity) -> Quota:
    """Give the namespace a quota without limits; Conflict if it has one. Quay: createOrganizationQuota."""
    if find_quota(session, namespace) is not None:
        raise Conflict(f"{namespace.name} has a quota already")
    quota = Quota(namespace_id=namespace.id, limit_bytes=_checked_bytes(limit_bytes))
    session.add(quota)
    session.flush()
    audit.record(session, "org_create_quota", actor=actor, namespace=namespace, **_told(limit_bytes))
    return quota


def change_quota(session: Session, namespace: Account, quota: Quota, limit_bytes: int, *, actor: Identity) -> None:
    """Quay: changeOrganizationQuota. What the namespace uses already stays, however much it is."""
    before, quota.limit_bytes = quota.limit_bytes, _checked_bytes(limit_bytes)
    told = {**_told(limit_bytes), **{f"previous_{key}": value for key, value in _told(before).items()}}
    audit.record(session, "org_change_quota", actor=actor, namespace=namespace, quota_id=quota.id, **told)


def remove_quota(session: Session, namespace: Account, quota: Quota, *, actor: Identity) -> None:
    """Take the quota away, with its limits. Quay: deleteOrganizationQuota."""
    told = _told(quota.limit_bytes)
    audit.record(session, "org_delete_quota", actor=actor, namespace=namespace, quota_id=quota.id, **told)
    session.flush()
    session.delete(quota)


def list_limits(session: Session, quota: Quota) -> list[QuotaLimit]:
    """The quota's limits, lowest first."""
    return list(session.scalars(_limits_of([quota.id])))


def get_limit(session: Session, quota: Quota, limit_id: int) -> QuotaLimit:
    """The limit of the quota that has the id; NotFound."""
    limit = session.scalar(select(QuotaLimit).where(QuotaLimit.id == limit_id, QuotaLimit.quota_id == quota.id))
    if limit is None:
        raise NotFound("Not Found")
    return limit


def create_limit(
    session: Session, namespace: Account, quota: Quota, kind: str, threshold_percent: int, *, actor: Identity
) -> QuotaLimit:
    """Warn (Warning) or reject pushes (Reject) from a share of the quota on. Quay: createOrganizationQuotaLimit."""
    limit = QuotaLimit(
        quota_id=quota.id, kind=_checked_kind(kind), threshold_percent=_checked_percent(threshold_percent)
    )
    _refuse_twin(session, limit)
    session.add(limit)
    session.flush()
    audit.record(session, "org_create_quota_limit", actor=actor, namespace=namespace, **_told_of(limit))
    return limit


def change_limit(
    session: Session,
    namespace: Account,
    limit: QuotaLimit,
    *,
    kind: str | None = None,
    threshold_percent: int | None = None,
    actor: Identity,
) -> None:
    """Change what is given. Quay: changeOrganizationQuotaLimit."""
    before = {f"previous_{key}": value for key, value in _told_of(limit).items() if key != "limit_id"}
    with session.no_autoflush:
        if kind is not None:
            limit.kind = _checked_kind(kind)
        if threshold_percent is not None:
            limit.threshold_percent = _checked_percent(threshold_percent)
        _refuse_twin(session, limit)
    told = {**_told_of(limit), **before}
    audit.record(session, "org_change_quota_limit", actor=actor, namespace=namespace, **told)


def remove_limit(session: Session, namespace: Account, limit: QuotaLimit, *, actor: Identity) -> None:
    """Quay: deleteOrganizationQuotaLimit."""
    session.delete(limit)
    audit.record(session, "org_delete_quota_limit", actor=actor, namespace=namespace, **_told_of(limit))


def human_size(count: int) -> str:
    """Bytes as Quay tells them to people: 1.5 GiB."""
    amount, unit = float(count), _UNITS[0]
    for larger in _UNITS[1:]:
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.1f} {unit}"


def parse_size(text: str) -> int:
    """Bytes from a whole number and a unit, as Quay reads them. Invalid.

    Ki, KiB and the like are powers of 1024, K, KB and the like of 1000; without a unit it is bytes.
    """
    found = _SIZE.fullmatch(text)
    if found is None:
        raise Invalid("limit: expected a whole number and a unit, such as 10 GiB or 500MB")
    number, prefix, binary = found.groups()
    return int(number) * int((1024 if binary else 1000) ** (" KMGTPEZY".index(prefix or " ")))


def _of(namespace_ids: Sequence[int]) -> Select[Quota]:
    return select(Quota).where(Quota.namespace_id.in_(namespace_ids))


def _limits_of(quota_ids: Sequence[int]) -> Select[QuotaLimit]:
    query = select(QuotaLimit).where(QuotaLimit.quota_id.in_(quota_ids))
    return query.order_by(QuotaLimit.threshold_percent, QuotaLimit.id)


def _refuse_twin(session: Session, limit: QuotaLimit) -> None:
    same = select(QuotaLimit.id).where(
        QuotaLimit.quota_id == limit.quota_id,
        QuotaLimit.kind == limit.kind,
        QuotaLimit.threshold_percent == limit.threshold_percent,
    )
    if session.scalar(same) not in (None, limit.id):
        raise Conflict(f"there is a {limit.kind} limit at {limit.threshold_percent} percent already")


def _told(limit_bytes: int) -> dict[str, Any]:
    return {"limit_bytes": limit_bytes, "limit": human_size(limit_bytes)}


def _told_of(limit: QuotaLimit) -> dict[str, Any]:
    return {"limit_id": limit.id, "type": limit.kind, "threshold_percent": limit.threshold_percent}


def _checked_bytes(limit_bytes: int) -> int:
    if not 0 < limit_bytes <= LARGEST:
        raise Invalid(f"limit_bytes: expected 1 to {LARGEST}")
    return limit_bytes


def _checked_percent(percent: int) -> int:
    if not 1 <= percent <= 100:
        raise Invalid("threshold_percent: expected 1 to 100")
    return percent


def _checked_kind(kind: str) -> LimitKind:
    kinds: dict[str, LimitKind] = {"warning": "Warning", "reject": "Reject"}
    if kind.lower() not in kinds:
        raise Invalid("type: expected Warning or Reject")
    return kinds[kind.lower()]
