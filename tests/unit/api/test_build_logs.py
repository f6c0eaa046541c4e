"""Archived logs whose storage fails while they are read."""

import io
from dataclasses import replace
from typing import BinaryIO

from models import jobs
from models.access import find_repository
from models.build_orders import record_logs
from models.builds import Source, start_build
from models.session import Database
from registry.services import Services
from storage.driver import StorageError
from storage.memory import MemoryStorage
from tests.factories.api import Api, make_app
from tests.factories.world import make_world


class _Breaking(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        raise StorageError("the connection broke off")


class BreakingStorage(MemoryStorage):
    """A store whose objects can be opened, but not read."""

    def open(self, path: str, *, start: int = 0, stop: int | None = None) -> BinaryIO:
        return _Breaking(super().open(path, start=start, stop=stop).read())


def test_a_storage_that_breaks_off_is_told_as_such(services: Services, database: Database) -> None:
    storage = BreakingStorage()
    storage.write("logs/builds/x", b"packed")
    api = Api(make_app(replace(services, storage=storage)))
    with database.write() as session:
        callers = make_world(session)
        repository = find_repository(session, "acme", "app")
        assert repository is not None
        source = Source("https://example.com/a.tgz", None, "/Dockerfile", "/")
        options = {"tags": ["latest"], "pull_robot": None, "limit": None}
        uuid = start_build(session, repository, source, actor=callers["owner"], **options).uuid  # type: ignore[arg-type]
        lease = jobs.claim(session, uuid, "a worker")
        assert lease is not None
        jobs.finish(session, lease, "success")
        record_logs(session, uuid, "logs/builds/x", 1)
    answer = api.get(f"/repository/acme/app/build/{uuid}/logs", by="owner")
    assert answer.status == 503
    assert "storage" in answer.text
