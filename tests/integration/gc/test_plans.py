"""Collection finds its candidates by indexes, so that a run with nothing to do costs next to nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, text

from registry.collection.run import Run
from registry.collection.terms import Terms
from registry.gc import STEPS
from tests.factories.pusher import Pusher

pytestmark = pytest.mark.parametrize("setup", ["sqlite-local", "postgresql-local"], indirect=True)
EXPECTED = {
    "collect_tags": {"ix_tag_expires_ms", "ix_tag_ended"},
    "collect_repositories": {"ix_repository_marked"},
    "collect_manifests": {"ix_manifest_unsettled"},
    "collect_links": {"ix_repository_blob_unsettled"},
    "collect_blobs": {"ix_blob_loose"},
    "collect_uploads": {"ix_upload_updated_at"},
    "delete_garbage": {"ix_garbage_due_at"},
}


@contextmanager
def statements(pusher: Pusher) -> Iterator[list[tuple[str, Any]]]:
    """Every statement that is executed within the block."""
    seen: list[tuple[str, Any]] = []
    engine = pusher.services.database.engine

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


def plans(pusher: Pusher, seen: list[tuple[str, Any]]) -> str:
    database = pusher.services.database
    explained = []
    with database.engine.connect() as connection:
        if not database.is_sqlite:
            connection.execute(text("SET enable_seqscan = off"))  # the tables are too small for an index to pay
        for statement, parameters in seen:
            if statement.startswith(("SELECT", "UPDATE", "DELETE")):
                kind = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
                rows = connection.exec_driver_sql(kind + statement, parameters)
                explained += [str(row[-1]) for row in rows]
    return "\n".join(explained)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
def test_candidates_are_found_by_an_index(step: Callable[[Run], None], pusher: Pusher) -> None:
    pusher.image("v1", b"one")
    with statements(pusher) as seen:
        step(Run(pusher.services.database, pusher.services.storage, Terms()))
    told = plans(pusher, seen)
    assert {name for name in EXPECTED[step.__name__] if name not in told} == set(), told
