"""The bytes of blobs whose rows are gone, deleted from storage as often as it takes."""

import logging
from datetime import timedelta
from functools import partial
from itertools import islice

from sqlalchemy import Executable, delete, select, update

from models.session import Session
from models.tables import Garbage
from models.tables.base import now
from registry.collection.run import Run
from storage.driver import StorageError

log = logging.getLogger(__name__)

BATCH = 1000
"""Objects in one request, as many as S3 takes."""
AGAIN_AFTER = timedelta(minutes=10)
FAILURES = 10
"""Objects that fail one after the other before the store itself is thought to fail."""


def delete_garbage(run: Run) -> None:
    """Delete what is due. StorageError if the store does not delete; what is left is tried again another time."""
    while not run.stop():
        query = select(Garbage.id, Garbage.path).where(Garbage.due_at <= now()).order_by(Garbage.due_at, Garbage.id)
        with run.database.read() as session:
            batch = [(id_, path) for id_, path in session.execute(query.limit(BATCH))]
        if not batch:
            return
        try:
            run.storage.delete([path for _, path in batch])
        except StorageError as exc:
            log.warning("a batch of objects was not deleted, they are tried one by one: %s", exc)
            _delete_singly(run, batch)
        else:
            _forget(run, [id_ for id_, _ in batch])


def _delete_singly(run: Run, batch: list[tuple[int, str]]) -> None:
    deleted: list[int] = []
    failed: list[int] = []
    try:
        for id_, path in batch:
            try:
                run.storage.delete([path])
            except StorageError as exc:
                failed.append(id_)
                if len(failed) >= FAILURES and not deleted:
                    raise
                log.warning("%s was not deleted: %s", path, exc)
            else:
                deleted.append(id_)
    finally:
        _forget(run, deleted)
        _postpone(run, failed)


def _forget(run: Run, ids: list[int]) -> None:
    """What was deleted is no garbage any more."""
    left = iter(ids)
    while some := list(islice(left, run.terms.slice_size)):
        run.slice(partial(_execute, delete(Garbage).where(Garbage.id.in_(some))))
        run.collected.objects += len(some)


def _postpone(run: Run, ids: list[int]) -> None:
    if ids:
        run.slice(partial(_execute, update(Garbage).where(Garbage.id.in_(ids)).values(due_at=now() + AGAIN_AFTER)))


def _execute(statement: Executable, session: Session) -> None:
    session.execute(statement)
