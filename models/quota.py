"""What a namespace uses and how much it may: the bytes of the distinct blobs that its manifests need.

Three things are kept in step by the transactions that add and remove manifests. `manifest_blob` says which manifest
needs which blob, `namespace_blob` has one row for each blob that any manifest of the namespace needs, and
`namespace_usage` is the sum of the latter. A foreign key from the first to the second lets no row of the second go too
early. The sum is changed last in a transaction, so its lock is held for a moment and nothing is waited for under it.
"""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from sqlalchemy import ScalarSelect, Select, bindparam, delete, exists, func, select, text
from sqlalchemy.orm import InstrumentedAttribute

from models.dialect import insert_new, insert_or_leave
from models.errors import QuotaExceeded
from models.repository_usage import forget_blobs
from models.session import Session
from models.tables import (
    Account,
    ManifestBlob,
    NamespaceBlob,
    NamespaceUsage,
    Quota,
    QuotaLimit,
    Repository,
)
from models.tables.quota import LimitKind


def claim_blobs(session: Session, namespace_id: int, sizes: dict[int, int]) -> int:
    """Note that a manifest of the namespace needs the blobs (id → bytes); the bytes that are new to the namespace.

    Comes before the rows of `manifest_blob`. Another push that brings the same new blobs is waited for. Those that the
    namespace needs already may be left out: they stay as long as the manifest's own rows refer to them, or the insert
    of those fails.
    """
    rows = [{"namespace_id": namespace_id, "blob_id": id_, "size": sizes[id_]} for id_ in sorted(sizes)]
    insert = insert_or_leave(session.get_bind().dialect.name, NamespaceBlob, returning=("size",))
    return sum(session.run(insert, rows).scalars()) if rows else 0


# One statement, so that the lock of the sum is held no longer than need be; as text, since SQLAlchemy's RETURNING for
# SQLite does not say which table the columns of its subqueries are from.
_COUNT = text(
    "UPDATE namespace_usage SET size = size + :change WHERE namespace_id = :namespace_id RETURNING size, ("
    "SELECT limit_bytes FROM quota WHERE namespace_id = :namespace_id) AS limit_bytes"
)
_LIMITS = (
    select(QuotaLimit.kind, QuotaLimit.threshold_percent)
    .join(Quota, Quota.id == QuotaLimit.quota_id)
    .where(Quota.namespace_id == bindparam("namespace_id"))
    .order_by(QuotaLimit.threshold_percent)
)


@dataclass(frozen=True)
class Limit:
    """What happens above a share of a namespace's quota, and what the namespace uses at the moment."""

    kind: LimitKind
    threshold_percent: int
    used_bytes: int
    quota_bytes: int

    @property
    def bytes(self) -> int:
        return self.quota_bytes * self.threshold_percent // 100


def charge(session: Session, namespace: Account, added: int) -> list[Limit]:
    """Count `added` bytes; the warning limits that this passes. QuotaExceeded if it is more than the namespace may use.

    The last statement of a transaction: others that change the namespace wait until it ends.
    """
    if not added:
        return []
    session.flush()
    values = {"namespace_id": namespace.id, "change": added}
    row = session.run(_COUNT, values).first()
    if row is None:
        insert_new(session, NamespaceUsage, [{"namespace_id": namespace.id, "size": 0}])
        row = session.run(_COUNT, values).one()
    passed = [each for each in _limits(session, namespace.id, row) if row.size > each.bytes]
    for limit in passed:
        if limit.kind == "Reject":
            raise QuotaExceeded(
                f"{namespace.name} uses {row.size - added} of {limit.bytes} bytes and this push adds {added}: "
                "delete tags that are no longer needed, or ask for a larger quota",
                namespace_id=namespace.id,
                limit=replace(limit, used_bytes=row.size - added),
            )
    return [limit for limit in passed if row.size - added <= limit.bytes]


def ensure_room(session: Session, repository_id: int) -> None:
    """QuotaExceeded if the repository's namespace uses all it may already: an upload would be in vain."""
    if session.quota_default is None:
        return
    row = session.run(_room(everybody=bool(session.quota_default)), {"repository_id": repository_id}).first()
    if row is None:
        return
    for limit in _limits(session, row.id, row):
        if limit.kind == "Reject" and row.size >= limit.bytes:
            raise QuotaExceeded(
                f"{row.name} uses {row.size} of {limit.bytes} bytes: delete tags that are no longer needed",
                namespace_id=row.id,
                limit=limit,
            )


def _limits(session: Session, namespace_id: int, row: Any) -> list[Limit]:
    """The limits that count for the namespace, lowest first. `row` has its `size`, and its `limit_bytes` if any."""
    if session.quota_default is None:
        return []
    if row.limit_bytes is None:
        everybodys = session.quota_default
        return [Limit("Reject", 100, row.size, everybodys)] if everybodys else []
    found = session.run(_LIMITS, {"namespace_id": namespace_id})
    return [Limit(limit.kind, limit.threshold_percent, row.size, row.limit_bytes) for limit in found]


@cache
def _room(*, everybody: bool) -> Select[Any, Any, Any, Any]:
    """What the repository's namespace uses; of one without a quota only if `everybody` has a limit."""
    return (
        select(Account.id, Account.name, NamespaceUsage.size, Quota.limit_bytes)
        .select_from(Repository)
        .join(Account, Account.id == Repository.namespace_id)
        .join(NamespaceUsage, NamespaceUsage.namespace_id == Account.id)
        .join(Quota, Quota.namespace_id == Account.id, isouter=everybody)
        .where(Repository.id == bindparam("repository_id"))
    )


def release_blobs(session: Session, claimed: dict[int, set[int]], freed: dict[int, set[int]]) -> None:
    """Give back what no manifest needs any more of these (namespace id → blob ids), after `manifest_blob` rows went.

    `freed`: the same by repository. Nothing may follow in the transaction, as with `charge`.
    """
    removed = {id_: _release(session, id_, claimed[id_]) for id_ in sorted(claimed)}
    forget_blobs(session, freed)
    for namespace_id, size in removed.items():
        if size:
            session.run(_COUNT, {"namespace_id": namespace_id, "change": -size})


def threshold(kind: LimitKind, namespace: InstrumentedAttribute[int] | int) -> ScalarSelect[Any]:
    """The bytes from which the namespace's lowest limit of the kind applies; NULL if it has none."""
    most = func.min(Quota.limit_bytes * QuotaLimit.threshold_percent // 100)
    query = select(most).join(QuotaLimit, QuotaLimit.quota_id == Quota.id)
    return query.where(Quota.namespace_id == namespace, QuotaLimit.kind == kind).scalar_subquery()


def _release(session: Session, namespace_id: int, blob_ids: set[int]) -> int:
    """Remove the rows that no manifest needs; their bytes."""
    those = (NamespaceBlob.namespace_id == namespace_id, NamespaceBlob.blob_id.in_(blob_ids))
    # Locked, so that a push which is about to need one of them waits, and then takes it anew.
    session.execute(select(NamespaceBlob.blob_id).where(*those).order_by(NamespaceBlob.blob_id).with_for_update())
    needed = exists().where(
        ManifestBlob.blob_id == NamespaceBlob.blob_id, ManifestBlob.namespace_id == NamespaceBlob.namespace_id
    )
    removed = session.execute(
        delete(NamespaceBlob)
        .where(*those, ~needed)
        .returning(NamespaceBlob.size)
        .execution_options(synchronize_session=False)
    )
    return sum(row.size for row in removed.all())
