"""What each repository uses: the bytes of the distinct blobs that its manifests need, kept as a sum beside them.

Whoever adds or removes manifests locks the sum and looks again at what others have done meanwhile, so that what two
need is counted once. Pushes that seem to change no sum share the lock, so that they do not wait for each other. These
are the last statements of a transaction, in the order of the repositories' ids, but for the sums of namespaces
(`models.quota`), so that nothing else is waited for under the locks.
"""

from collections.abc import Iterable, Mapping

from sqlalchemy import BigInteger, ColumnElement, SQLColumnExpression, bindparam, cast, exists, func, select, update
from sqlalchemy.orm import aliased

from models.dialect import insert_new
from models.prepared import among
from models.queries import Query
from models.session import Session
from models.tables import Blob, ManifestBlob, Repository, RepositoryUsage

_SIZE: Query[int] = Query(
    select(RepositoryUsage.size).where(RepositoryUsage.repository_id == bindparam("repository_id")), int
)


def repository_size(session: Session, repository: Repository) -> int:
    """The bytes that the repository uses."""
    return session.first(_SIZE, repository_id=repository.id) or 0


def count_manifests(
    session: Session, new: Mapping[int, Iterable[int]], again: Iterable[int], *, grows: bool = True
) -> None:
    """Count what manifests need that were added: `new`, repository id → ids of manifests that were not there before.

    `again`: repositories of manifests that may have been there, and are counted from the beginning. Unless it `grows`,
    others needed all that the new ones need, when that was looked at.
    """
    if not (grows or again) and _is_counted(session, new):
        return
    uncounted = _lock(session, {*new, *again})
    counted_anew = {*again, *uncounted}
    ids = [id_ for repository_id, added in new.items() if repository_id not in counted_anew for id_ in added]
    if ids:
        for row in session.run(_ADDED, {"manifest_ids": ids}).all():
            _change(session, row.repository_id, row.size)
    for repository_id in sorted(counted_anew):
        recount(session, repository_id)


def forget_blobs(session: Session, freed: Mapping[int, Iterable[int]]) -> None:
    """Count no more what no manifest needs any more of these (repository id → blob ids)."""
    uncounted = _lock(session, freed)
    for repository_id in sorted(freed):
        if repository_id in uncounted:
            recount(session, repository_id)
            continue
        unneeded = select(func.sum(Blob.size)).where(
            Blob.id.in_(list(freed[repository_id])),
            ~exists().where(ManifestBlob.repository_id == repository_id, ManifestBlob.blob_id == Blob.id),
        )
        size = int(session.scalar(unneeded) or 0)
        if size:
            _change(session, repository_id, -size)


def recount(session: Session, repository_id: int) -> None:
    """Set the sum, which is locked, to what the repository's manifests need."""
    mine = RepositoryUsage.repository_id == repository_id
    setting = update(RepositoryUsage).where(mine).values(size=needed_size(repository_id))
    session.execute(setting.execution_options(synchronize_session=False))


def recount_all(session: Session, repository_ids: Iterable[int]) -> None:
    """Set the sums of the repositories right, whatever is pushed meanwhile."""
    ids = set(repository_ids)
    _lock(session, ids)
    for repository_id in sorted(ids):
        recount(session, repository_id)


def needed_size(repository_id: SQLColumnExpression[int] | int) -> ColumnElement[int]:
    """The bytes of the distinct blobs that the repository's manifests need."""
    needed = select(ManifestBlob.blob_id).where(ManifestBlob.repository_id == repository_id).correlate(Repository)
    return func.coalesce(select(func.sum(Blob.size)).where(Blob.id.in_(needed)).scalar_subquery(), 0)


_other = aliased(ManifestBlob)
_mine = (
    select(ManifestBlob.repository_id, ManifestBlob.blob_id)
    .where(
        among(ManifestBlob.manifest_id, "manifest_ids"),
        ~exists().where(
            _other.repository_id == ManifestBlob.repository_id,
            _other.blob_id == ManifestBlob.blob_id,
            among(_other.manifest_id, "manifest_ids", inverted=True),
        ),
    )
    .distinct()
    .subquery()
)
_ADDED = (
    select(_mine.c.repository_id, cast(func.sum(Blob.size), BigInteger).label("size"))
    .join(Blob, Blob.id == _mine.c.blob_id)
    .group_by(_mine.c.repository_id)
    .order_by(_mine.c.repository_id)
)
"""What of the manifests' blobs no other manifest of their repository needs."""
_LOCK = (
    select(RepositoryUsage.repository_id)
    .where(among(RepositoryUsage.repository_id, "repository_ids"))
    .order_by(RepositoryUsage.repository_id)
    .with_for_update()
)


_SHARE = _LOCK.with_for_update(read=True)


def _is_counted(session: Session, new: Mapping[int, Iterable[int]]) -> bool:
    """Whether the sums need no change, and keep others from changing them until the transaction ends."""
    ids, manifest_ids = sorted(new), [id_ for added in new.values() for id_ in added]
    if not ids:
        return True
    session.flush()
    # One after the other: nothing is removed between them.
    there, added = session.run_in_turn((_SHARE, {"repository_ids": ids}), (_ADDED, {"manifest_ids": manifest_ids}))
    return len(there) == len(ids) and not any(row.size for row in added)


def _lock(session: Session, repository_ids: Iterable[int]) -> set[int]:
    """Lock the sums until the transaction ends; the repositories that had none, and have one of nothing now."""
    ids = sorted(repository_ids)
    if not ids:
        return set()
    session.flush()
    missing = set(ids) - set(session.run(_LOCK, {"repository_ids": ids}).scalars())
    if missing:
        insert_new(session, RepositoryUsage, [{"repository_id": id_, "size": 0} for id_ in sorted(missing)])
        session.run(_LOCK, {"repository_ids": sorted(missing)})
    return missing


_CHANGE = (
    update(RepositoryUsage)
    .where(RepositoryUsage.repository_id == bindparam("changed"))
    .values(size=RepositoryUsage.size + bindparam("by", type_=BigInteger))
)


def _change(session: Session, repository_id: int, by: int) -> None:
    session.run(_CHANGE, {"changed": repository_id, "by": by})
