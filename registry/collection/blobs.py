"""Links to blobs that no manifest needs, and blobs that have no link."""

from sqlalchemy import Update, delete, insert, select, update

from models.session import Session
from models.tables import Blob, Garbage, ManifestBlob, NamespaceBlob, RepositoryBlob
from registry.collection.run import Run
from registry.collection.terms import Terms


def collect_links(run: Run) -> None:
    """Settle or remove the links that are not settled."""
    while not run.stop():
        looked, removed = run.slice(lambda session: _look_at_links(session, run.terms))
        run.collected.links += removed
        if not looked:
            return


def collect_blobs(run: Run) -> None:
    """Remove the rows of blobs without a link; their bytes become garbage."""
    while not run.stop():
        looked, sizes = run.slice(lambda session: _look_at_blobs(session, run.terms))
        run.collected.blobs += len(sizes)
        run.collected.bytes += sum(sizes)
        if not looked:
            return


def remove_links(session: Session, links: dict[int, set[int]]) -> None:
    """Remove links (repository id → blob ids), which are locked. The blobs are to be looked at."""
    blob_ids = sorted({blob_id for blobs in links.values() for blob_id in blobs})
    session.execute(_loosen(blob_ids, to=True))
    for repository_id, blobs in links.items():
        gone = (RepositoryBlob.repository_id == repository_id, RepositoryBlob.blob_id.in_(blobs))
        session.execute(delete(RepositoryBlob).where(*gone).execution_options(synchronize_session=False))


def _look_at_links(session: Session, terms: Terms) -> tuple[int, int]:
    query = (
        select(RepositoryBlob.repository_id, RepositoryBlob.blob_id)
        .where(~RepositoryBlob.settled, RepositoryBlob.linked_at <= terms.unprotected)
        .order_by(RepositoryBlob.linked_at)
        .limit(terms.slice_size)
        .with_for_update(skip_locked=True)
    )
    links: dict[int, set[int]] = {}
    looked = 0
    for repository_id, blob_id in session.execute(query):
        links.setdefault(repository_id, set()).add(blob_id)
        looked += 1
    for repository_id, blobs in links.items():
        needed = _needed(session, repository_id, blobs)
        kept = (RepositoryBlob.repository_id == repository_id, RepositoryBlob.blob_id.in_(needed))
        session.execute(update(RepositoryBlob).where(*kept).values(settled=True))
        links[repository_id] = blobs - needed
    remove_links(session, links)
    return looked, sum(map(len, links.values()))


def _needed(session: Session, repository_id: int, blobs: set[int]) -> set[int]:
    query = select(ManifestBlob.blob_id).where(
        ManifestBlob.repository_id == repository_id, ManifestBlob.blob_id.in_(blobs)
    )
    return set(session.scalars(query.distinct()))


def _look_at_blobs(session: Session, terms: Terms) -> tuple[int, list[int]]:
    query = select(Blob.id).where(Blob.loose).order_by(Blob.id).limit(terms.slice_size)
    ids = set(session.scalars(query.with_for_update(skip_locked=True)))
    linked = {
        id_
        for table in (RepositoryBlob, NamespaceBlob)
        for id_ in session.scalars(select(table.blob_id).where(table.blob_id.in_(ids)).distinct())
    }
    session.execute(_loosen(sorted(linked), to=False))
    gone = session.execute(
        delete(Blob)
        .where(Blob.id.in_(ids - linked))
        .returning(Blob.path, Blob.size)
        .execution_options(synchronize_session=False)
    ).all()
    if gone:
        session.execute(insert(Garbage), [{"path": row.path, "size": row.size} for row in gone])
    return len(ids), [row.size for row in gone]


def _loosen(ids: list[int], *, to: bool) -> Update:
    return update(Blob).where(Blob.id.in_(ids)).values(loose=to).execution_options(synchronize_session=False)
