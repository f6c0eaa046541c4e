"""Uploads that nobody continues."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, delete, select

from models.session import Session
from models.tables import Upload
from models.tables.base import now
from registry.collection.run import Run


def collect_uploads(run: Run) -> None:
    """Forget uploads that nothing was added to for a day, with their bytes."""
    limit = run.terms.slice_size
    abort(run, lambda session: forget_uploads(session, Upload.updated_at <= now() - run.terms.upload_life, limit))


def abort(run: Run, forget: Callable[[Session], list[dict[str, Any]]]) -> None:
    """Abort the uploads that `forget` removes; their bytes go after their rows."""
    while not run.stop() and (states := run.slice(forget)):
        begun = [state for state in states if state]  # the others have ended, or no bytes of them came
        for state in begun:
            run.storage.abort(state)
        run.collected.uploads += len(begun)


def forget_uploads(session: Session, condition: ColumnElement[bool], limit: int) -> list[dict[str, Any]]:
    """Remove the rows of some uploads; their states, which of those that ended are empty.

    Who is about to continue one of them finds it changed.
    """
    ids = select(Upload.id).where(condition).limit(limit).with_for_update(skip_locked=True)
    gone = delete(Upload).where(Upload.id.in_(list(session.scalars(ids)))).returning(Upload.state)
    return list(session.scalars(gone.execution_options(synchronize_session=False)))
