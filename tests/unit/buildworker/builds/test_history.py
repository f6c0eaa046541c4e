"""Old builds are forgotten by the scheduler, and what they left in the store by collection."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from buildworker.build_history import scheduled_forgetting
from models.tables import Build, Job
from models.tables.base import now
from registry.collection.terms import Terms
from registry.gc import collect
from tests.unit.buildworker.builds.conftest import Workshop


@pytest.mark.parametrize("settings", [{"BUILD_HISTORY_DAYS": 30, "BUILD_HISTORY_MINIMUM": 1}])
def test_the_scheduler_forgets_and_collection_takes_the_logs(workshop: Workshop) -> None:
    uuids = [workshop.ask("FROM scratch\n") for _ in range(3)]
    for uuid in uuids:
        assert workshop.run(uuid).job.logs_path
    runtime = workshop.runtime
    with runtime.database.write() as session:
        session.execute(update(Job).values(finished_at=now() - timedelta(days=31)))
    task = scheduled_forgetting(30)
    task.run(runtime, lambda: True)  # it is to end before it begins
    assert len(workshop.rows(Build)) == 3
    task.run(runtime, lambda: False)
    assert [build.uuid for build in workshop.rows(Build)] == uuids[2:]
    assert len(list(runtime.storage.list("logs"))) == 3
    collect(runtime.database, runtime.storage, Terms(rest_s=0))
    assert [path for path, _ in runtime.storage.list("logs")] == [workshop.look(uuids[2]).job.logs_path]
