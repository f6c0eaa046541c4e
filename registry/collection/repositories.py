"""Repositories that were deleted, a slice at a time, and namespaces that held some."""

from sqlalchemy import delete, exists, select, text

from models.removal import remove_emptied_namespaces
from models.session import Session
from models.tables import Manifest, ManifestBlob, Repository, RepositoryBlob, Tag, Upload
from registry.collection.blobs import remove_links
from registry.collection.manifests import remove_manifests
from registry.collection.run import Run
from registry.collection.uploads import abort, forget_uploads

_MARKED = text("state = 'MARKED_FOR_DELETION'")  # as in the partial index; SQLite would not use it with a parameter


def collect_repositories(run: Run) -> None:
    """Remove what deleted repositories held, then themselves."""
    with run.database.read() as session:
        ids = list(session.scalars(select(Repository.id).where(_MARKED).order_by(Repository.id)))
    for id_ in ids:
        if not run.stop():
            _purge(run, id_)
    if ids:
        run.slice(remove_emptied_namespaces)


def _purge(run: Run, id_: int) -> None:
    limit = run.terms.slice_size
    abort(run, lambda session: forget_uploads(session, Upload.repository_id == id_, limit))
    run.collected.tags += run.repeat(lambda session: _remove_tags(session, id_, limit))
    run.collected.manifests += run.repeat(lambda session: _remove_manifests(session, id_, run.terms.manifests_in_slice))
    run.collected.links += run.repeat(lambda session: _remove_links(session, id_, limit))
    if run.slice(lambda session: _remove(session, id_)):
        run.collected.repositories += 1


def _remove_tags(session: Session, id_: int, limit: int) -> int:
    ids = list(session.scalars(select(Tag.id).where(Tag.repository_id == id_).limit(limit)))
    session.execute(delete(Tag).where(Tag.id.in_(ids)))
    return len(ids)


def _remove_manifests(session: Session, id_: int, limit: int) -> int:
    query = select(Manifest.id).where(Manifest.repository_id == id_).order_by(Manifest.id).limit(limit)
    ids = set(session.scalars(query.with_for_update(skip_locked=True)))
    remove_manifests(session, ids)
    return len(ids)


def _remove_links(session: Session, id_: int, limit: int) -> int:
    # Another collector may be removing manifests here at this moment; it leaves their links to the next time.
    needed = exists().where(ManifestBlob.repository_id == id_, ManifestBlob.blob_id == RepositoryBlob.blob_id)
    query = select(RepositoryBlob.blob_id).where(RepositoryBlob.repository_id == id_, ~needed)
    query = query.order_by(RepositoryBlob.blob_id).limit(limit).with_for_update(skip_locked=True)
    blob_ids = set(session.scalars(query))
    remove_links(session, {id_: blob_ids})
    return len(blob_ids)


def _remove(session: Session, id_: int) -> bool:
    """Remove the row if nothing is left: a push that was under way may have brought something since."""
    session.execute(select(Repository.id).where(Repository.id == id_).with_for_update())
    left = [exists().where(table.repository_id == id_) for table in (Manifest, RepositoryBlob, Upload, Tag)]
    gone = delete(Repository).where(Repository.id == id_, *(~some for some in left)).returning(Repository.id)
    return session.scalar(gone.execution_options(synchronize_session=False)) is not None
