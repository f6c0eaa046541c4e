"""How quotas are shown: by their own operations, and wherever a namespace or repository is."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from api.endpoint import View
from api.v1.views import Sparse
from config.settings import Settings
from models.quota_limits import Allowance, KnownLimit, allowances, human_size
from models.repositories import ListedRepository
from models.repository_usage import repository_size
from models.session import Session
from models.tables import Account, QuotaLimit, Repository


class QuotaLimitView(View):
    id: int
    type: Literal["Warning", "Reject"]
    limit_percent: int


class QuotaView(View):
    """A quota; `default_config` if it is the one of all namespaces that have none, and then without an id."""

    id: int | None
    limit_bytes: int
    limit: str = Field(description="The same for people")
    default_config: bool = False
    limits: list[QuotaLimitView]
    default_config_exists: bool


class RepositoryQuotaReport(View):
    """What is used, and what may be used by the whole namespace."""

    quota_bytes: int
    configured_quota: int | None


class QuotaReport(RepositoryQuotaReport):
    """The same of a namespace. It is always counted up to the moment; what was counted so far, Quay says."""

    running_backfill: Literal["complete"] = "complete"
    backfill_status: Literal["complete"] = "complete"


def limit_view(limit: QuotaLimit | KnownLimit) -> QuotaLimitView:
    return QuotaLimitView(id=limit.id, type=limit.kind, limit_percent=limit.threshold_percent)


def quota_views(settings: Settings, allowance: Allowance) -> list[QuotaView]:
    """The namespace's quota, if it has one."""
    quota = allowance.quota
    if quota is None:
        return []
    return [
        QuotaView(
            id=quota.id,
            limit_bytes=quota.limit_bytes,
            limit=human_size(quota.limit_bytes),
            limits=[limit_view(limit) for limit in allowance.limits],
            default_config_exists=bool(settings.DEFAULT_SYSTEM_REJECT_QUOTA_BYTES),
        )
    ]


def default_views(settings: Settings) -> list[QuotaView]:
    """What a namespace without a quota has in its place, if the settings name it."""
    size = settings.DEFAULT_SYSTEM_REJECT_QUOTA_BYTES
    if not size:
        return []
    shown = QuotaView(id=None, limit_bytes=size, limit=human_size(size), limits=[], default_config_exists=True)
    return [shown.model_copy(update={"default_config": True})]


def are_shown(settings: Settings) -> bool:
    """Whether quotas are shown at all."""
    return settings.FEATURE_QUOTA_MANAGEMENT and settings.FEATURE_EDIT_QUOTA


def namespace_report(settings: Settings, allowance: Allowance) -> QuotaReport:
    configured = _configured(settings, allowance.quota.limit_bytes if allowance.quota else None)
    return QuotaReport(quota_bytes=allowance.used_bytes, configured_quota=configured)


def repository_report(session: Session, settings: Settings, repository: Repository) -> RepositoryQuotaReport | None:
    """The repository's report; none if quotas are not shown."""
    if not are_shown(settings):
        return None
    allowance = allowances(session, [repository.namespace_id])[repository.namespace_id]
    return RepositoryQuotaReport(
        quota_bytes=repository_size(session, repository),
        configured_quota=_configured(settings, allowance.quota.limit_bytes if allowance.quota else None),
    )


def listed_report(settings: Settings, repository: ListedRepository) -> RepositoryQuotaReport | None:
    """The same of one in a list."""
    if not are_shown(settings):
        return None
    return RepositoryQuotaReport(
        quota_bytes=repository.used_bytes or 0, configured_quota=_configured(settings, repository.quota_bytes)
    )


class WithQuota(View):
    """What the view of a namespace has besides, where quotas are shown."""

    quotas: Sparse[list[QuotaView]] = None
    quota_report: Sparse[QuotaReport] = None


def namespace_quotas(session: Session, settings: Settings, accounts: Sequence[Account]) -> dict[int, WithQuota]:
    """What to show of the quotas of each of the namespaces; nothing if quotas are not shown."""
    if not are_shown(settings):
        return {account.id: WithQuota() for account in accounts}
    found = allowances(session, [account.id for account in accounts])
    return {
        id_: WithQuota(quotas=quota_views(settings, allowance), quota_report=namespace_report(settings, allowance))
        for id_, allowance in found.items()
    }


def _configured(settings: Settings, limit_bytes: int | None) -> int | None:
    return limit_bytes if limit_bytes is not None else settings.DEFAULT_SYSTEM_REJECT_QUOTA_BYTES or None
