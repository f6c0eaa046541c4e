"""How many bytes a namespace may use, and what happens near that: Quay's quotas with their limits."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, select

from models import audit
from models.access import Identity
from models.errors import Conflict, Invalid, NotFound
from models.queries import Query
from models.session import Session
from models.tables import Account, NamespaceUsage, Quota, QuotaLimit
from models.tables.quota import LimitKind

LARGEST = 1 << 53
"""More bytes than anybody has, few enough that a hundredfold still fits the database's integers."""
_UNITS = ("Byte", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_SIZE = re.compile(r"([0-9]{1,30})\s?(?:B|([KMGTPEZY])(i?)B?)?", re.ASCII)


class KnownQuota(NamedTuple):
    id: int
    limit_bytes: int


class KnownLimit(NamedTuple):
    id: int
    kind: LimitKind
    threshold_percent: int


@dataclass(frozen=True)
class Allowance:
    """What a namespace uses, and the quota it has, if it has one."""

    used_bytes: int
    quota: KnownQuota | None
    limits: list[KnownLimit]


class _Fact(NamedTuple):
    """A namespace's usage and quota beside one of its limits, if it has any."""

    namespace_id: int
    used_bytes: int | None
    quota_id: int | None
    limit_bytes: int | None
    limit_id: int | None
    kind: LimitKind | None
    threshold_percent: int | None


_FACTS = (
    select(Account.id, NamespaceUsage.size, Quota.id, Quota.limit_bytes)
    .add_columns(QuotaLimit.id, QuotaLimit.kind, QuotaLimit.threshold_percent)
    .outerjoin(NamespaceUsage, NamespaceUsage.namespace_id == Account.id)
    .outerjoin(Quota, Quota.namespace_id == Account.id)
    .outerjoin(QuotaLimit, QuotaLimit.quota_id == Quota.id)
    .order_by(QuotaLimit.threshold_percent, QuotaLimit.id)
)
_FACTS_OF_ONE = Query(_FACTS.where(Account.id == bindparam("namespace_id")), _Fact)


def allowances(session: Session, namespace_ids: Sequence[int]) -> dict[int, Allowance]:
    """What each of the namespaces uses and may use."""
    if len(namespace_ids) == 1:
        facts = session.ask(_FACTS_OF_ONE, namespace_id=namespace_ids[0])
    else:
        facts = [_Fact(*row) for row in session.execute(_FACTS.where(Account.id.in_(namespace_ids)))]
    of_each: dict[int, list[_Fact]] = {id_: [] for id_ in namespace_ids}
    for fact in facts:
        of_each[fact.namespace_id].append(fact)
    return {id_: _allowance(found) for id_, found in of_each.items()}


def _allowance(facts: list[_Fact]) -> Allowance:
    first = facts[0] if facts else None
    quota = None
    if first and first.quota_id is not None and first.limit_bytes is not None:
        quota = KnownQuota(first.quota_id, first.limit_bytes)
    limits = [
        KnownLimit(each.limit_id, each.kind, each.threshold_percent)
        for each in facts
        if each.limit_id is not None and each.kind is not None and each.threshold_percent is not None
    ]
    return Allowance(first.used_bytes or 0 if first else 0, quota, limits)


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
