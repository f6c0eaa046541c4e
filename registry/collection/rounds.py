"""Looking at everything again, a stretch at a time, once a day: marks that were lost, and bytes that no row knows.

Neither should be there. But a process may be killed between making bytes durable and writing their row, and a mark is
only as good as the code that sets it.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from itertools import islice

from sqlalchemy import exists, func, select, update

from models.dialect import insert_new
from models.session import Session
from models.tables import (
    Blob,
    BuildCache,
    Garbage,
    Manifest,
    ManifestBlob,
    ManifestChild,
    RepositoryBlob,
    Round,
    Tag,
    Upload,
)
from models.tables.base import now
from registry.collection.run import Run
from registry.paths import BLOBS

EVERY = timedelta(days=1)
STRETCH = 5000
"""Ids that one step looks at in each table."""
FOLDERS = 256
LISTED = 500


def go_round(run: Run) -> None:
    """Take the next steps that are due."""
    for name, step, steps in ROUNDS:
        position = _due(run, name)
        if position is not None:
            further = step(run, position)
            due_at = now() if further and steps == 1 else now() + EVERY / steps
            run.slice(partial(_note, name=name, position=further, due_at=due_at))


def go_all_round(run: Run) -> None:
    """Take every step now."""
    for _, step, _ in ROUNDS:
        position = step(run, 0)
        while position and not run.stop():
            position = step(run, position)


def mark_again(run: Run, position: int) -> int:
    """Unmark what is marked as kept though nothing keeps it, from an id on; the next id, or 0 at the end."""
    end = position + STRETCH
    run.slice(lambda session: _unmark(session, position, end))
    with run.database.read() as session:
        last = max(session.scalar(select(func.max(table.id))) or 0 for table in (Manifest, Blob))
    return end if end <= last else 0


def remove_orphans(run: Run, position: int) -> int:
    """Delete the objects in one of the folders of blobs that no row knows for a day; the next, or 0 at the end."""
    before = (now() - run.terms.upload_life).timestamp()
    old = (path for path, stat in run.storage.list(f"{BLOBS}/{position:02x}") if stat.modified < before)
    while paths := list(islice(old, LISTED)):
        orphans = unknown(run, paths)
        run.storage.delete(orphans)
        run.collected.orphans += len(orphans)
        run.report(run.collected)
    return (position + 1) % FOLDERS


def sweep_uploads(run: Run, _: int) -> int:
    """Let storage remove what crashed uploads left, all of it in one step."""
    with run.database.read() as session:
        known = [state for state in session.scalars(select(Upload.state)) if state]
    run.collected.orphans += run.storage.sweep(older_than_s=run.terms.upload_life.total_seconds(), known=known)
    return 0


def unknown(run: Run, paths: list[str]) -> list[str]:
    """The paths that no row knows."""
    with run.database.read() as session:
        known = {
            path
            # In the order in which a path goes from one to the other, or it might be missed on its way.
            for table in (Upload, Blob, Garbage)
            for path in session.scalars(select(table.path).where(table.path.in_(paths)))
        }
    return [path for path in paths if path not in known]


Step = Callable[[Run, int], int]
ROUNDS: tuple[tuple[str, Step, int], ...] = (
    ("marks", mark_again, 1),
    ("objects", remove_orphans, FOLDERS),
    ("uploads", sweep_uploads, 1),
)
"""Name, what one step does, and into how many steps a round is spread; 1: as fast as it goes, then a pause."""


def _due(run: Run, name: str) -> int | None:
    with run.database.read() as session:
        row = session.execute(select(Round.position, Round.due_at).where(Round.name == name)).first()
    if row is None:
        return 0
    return row.position if row.due_at <= now() else None


def _note(session: Session, name: str, position: int, due_at: datetime) -> None:
    insert_new(session, Round, [{"name": name, "position": position, "due_at": due_at}])
    session.execute(update(Round).where(Round.name == name).values(position=position, due_at=due_at))


def _unmark(session: Session, start: int, end: int) -> None:
    tagged = exists().where(Tag.manifest_id == Manifest.id) | exists().where(BuildCache.manifest_id == Manifest.id)
    named = exists().where(ManifestChild.child_id == Manifest.id)
    lost = (Manifest.id >= start, Manifest.id < end, Manifest.settled, ~tagged, ~named, Manifest.subject.is_(None))
    needed = exists().where(
        ManifestBlob.repository_id == RepositoryBlob.repository_id, ManifestBlob.blob_id == RepositoryBlob.blob_id
    )
    unneeded = (RepositoryBlob.blob_id >= start, RepositoryBlob.blob_id < end, RepositoryBlob.settled, ~needed)
    linked = exists().where(RepositoryBlob.blob_id == Blob.id)
    bare = (Blob.id >= start, Blob.id < end, ~Blob.loose, ~linked)
    for change in (
        update(Manifest).where(*lost).values(settled=False),
        update(RepositoryBlob).where(*unneeded).values(settled=False),
        update(Blob).where(*bare).values(loose=True),
    ):
        session.execute(change.execution_options(synchronize_session=False))
