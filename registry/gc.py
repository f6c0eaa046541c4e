"""Garbage collection as a whole: by the scheduler now and again, or by hand. How it works: registry.collection."""

from collections.abc import Callable

from models.session import Database
from registry.collection.blobs import collect_blobs, collect_links
from registry.collection.manifests import collect_manifests
from registry.collection.objects import delete_garbage
from registry.collection.repositories import collect_repositories
from registry.collection.rounds import go_all_round, go_round
from registry.collection.run import Collected, Run
from registry.collection.tags import collect_tags
from registry.collection.terms import Terms
from registry.collection.uploads import collect_uploads
from storage.driver import StorageDriver

STEPS = (
    collect_tags,
    collect_repositories,
    collect_manifests,
    collect_links,
    collect_blobs,
    collect_uploads,
    delete_garbage,
)


def collect(
    database: Database,
    storage: StorageDriver,
    terms: Terms,
    *,
    thorough: bool = False,
    stop: Callable[[], bool] = lambda: False,
    report: Callable[[Collected], None] = lambda _: None,
) -> Collected:
    """Collect what nothing keeps; what went. Safe beside pushes and beside other collectors.

    `thorough`: look at every row and list the whole store now, which else happens in the course of a day. `stop` is
    asked between two small transactions, `report` is told after each. StorageError, if storage does not delete.
    """
    run = Run(database, storage, terms, stop, report)
    if thorough:
        go_all_round(run)
    else:
        go_round(run)
    for step in STEPS:
        step(run)
    return run.collected
