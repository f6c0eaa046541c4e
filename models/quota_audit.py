"""Counting again what namespaces use, to be sure that the sums are right."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Executable, delete, exists, func, select, update

from models.dialect import insert_new
from models.repository_usage import needed_size, recount_all
from models.session import Database, Session
from models.tables import Account, Blob, ManifestBlob, NamespaceBlob, NamespaceUsage, Repository, RepositoryUsage

_AT_A_TIME = 200


@dataclass(frozen=True)
class Audited:
    """One namespace: its sum as kept, the sum of its `namespace_blob` rows, and what its manifests really need.

    `repositories`: the bytes by which the sums of its repositories are wrong, all together.
    """

    namespace_id: int
    name: str
    kept: int
    claimed: int
    needed: int
    repositories: int

    @property
    def drift(self) -> int:
        """Bytes by which the sum is wrong; where it is right by chance, those of the rows, or of the repositories."""
        return self.kept - self.needed or self.claimed - self.needed or self.repositories


def audit_usage(database: Database) -> Iterator[Audited]:
    """Every namespace, counted in a single query each, so that pushes meanwhile make no difference."""
    after = 0
    while True:
        with database.read() as session:
            query = select(Account.id).where(Account.id > after, Account.kind != "robot").order_by(Account.id)
            ids = list(session.scalars(query.limit(_AT_A_TIME)))
            rows = [session.execute(_count(id_)).first() for id_ in ids]
        for row in filter(None, rows):
            id_, name, *sums = row
            yield Audited(id_, name, *map(int, sums))
        if not ids:
            return
        after = ids[-1]


def repair_usage(database: Database, namespace_id: int) -> None:
    """Set the rows and the sum of the namespace right, whatever is pushed meanwhile."""

    def repair(session: Session) -> None:
        _claim_what_is_needed(session, namespace_id)
        rows = NamespaceBlob.namespace_id == namespace_id
        session.execute(select(NamespaceBlob.blob_id).where(rows).order_by(NamespaceBlob.blob_id).with_for_update())
        needed = exists().where(
            ManifestBlob.blob_id == NamespaceBlob.blob_id, ManifestBlob.namespace_id == namespace_id
        )
        session.execute(delete(NamespaceBlob).where(rows, ~needed).execution_options(synchronize_session=False))
        insert_new(session, NamespaceUsage, [{"namespace_id": namespace_id, "size": 0}])
        mine = NamespaceUsage.namespace_id == namespace_id
        # Who adds or removes rows counts them before committing, so while this is locked no committed row is uncounted.
        session.execute(select(NamespaceUsage.size).where(mine).with_for_update())
        total = session.scalar(select(func.coalesce(func.sum(NamespaceBlob.size), 0)).where(rows))
        session.execute(update(NamespaceUsage).where(mine).values(size=total))

    database.apply(repair)
    with database.read() as session:
        ids = list(session.scalars(select(Repository.id).where(Repository.namespace_id == namespace_id)))
    for at in range(0, len(ids), _AT_A_TIME):
        database.apply(partial(recount_all, repository_ids=ids[at : at + _AT_A_TIME]))


def _claim_what_is_needed(session: Session, namespace_id: int) -> None:
    """Rows for blobs that lack one: the version before wrote manifests without."""
    own = select(Repository.id).where(Repository.namespace_id == namespace_id)
    lacking = (ManifestBlob.repository_id.in_(own), ManifestBlob.namespace_id.is_(None))
    query = select(Blob.id, Blob.size).join(ManifestBlob, ManifestBlob.blob_id == Blob.id).where(*lacking).distinct()
    rows = [{"namespace_id": namespace_id, "blob_id": id_, "size": size} for id_, size in session.execute(query)]
    insert_new(session, NamespaceBlob, sorted(rows, key=lambda row: row["blob_id"]))
    session.execute(update(ManifestBlob).where(*lacking).values(namespace_id=namespace_id))


def _count(namespace_id: int) -> Executable:
    own = select(Repository.id).where(Repository.namespace_id == namespace_id)
    blobs = select(ManifestBlob.blob_id).where(ManifestBlob.repository_id.in_(own))
    kept = select(NamespaceUsage.size).where(NamespaceUsage.namespace_id == namespace_id)
    claimed = select(func.sum(NamespaceBlob.size)).where(NamespaceBlob.namespace_id == namespace_id)
    needed = select(func.sum(Blob.size)).where(Blob.id.in_(blobs))
    wrong = (
        select(func.sum(func.abs(func.coalesce(RepositoryUsage.size, 0) - needed_size(Repository.id))))
        .select_from(Repository)
        .outerjoin(RepositoryUsage, RepositoryUsage.repository_id == Repository.id)
        .where(Repository.namespace_id == namespace_id)
    )
    return select(
        Account.id,
        Account.name,
        func.coalesce(kept.scalar_subquery(), 0),
        func.coalesce(claimed.scalar_subquery(), 0),
        func.coalesce(needed.scalar_subquery(), 0),
        func.coalesce(wrong.scalar_subquery(), 0),
    ).where(Account.id == namespace_id)
