"""Old entries of the action log go to storage, whole, before they go from the database."""

import gzip
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from buildworker.log_rotation import archive_of, rotate
from buildworker.runtime import Runtime
from config.settings import Settings
from models import audit
from models.access import find_repository
from models.log_counts import count_rested
from models.log_rotation import archive_path, archived, oldest_entries
from models.tables import LogEntry
from models.tables.base import now
from storage.driver import StorageError, StorageFull
from storage.local import LocalStorage
from storage.memory import MemoryStorage
from tests.factories.api import Api

AGES = (100, 40, 31, 29, 0)


class FullStorage(MemoryStorage):
    def write(self, path: str, data: bytes) -> None:
        raise StorageFull(path)


@pytest.fixture
def opened(api: Api) -> Runtime:
    """An entry of each age in days, all of them counted."""
    with api.database.write() as session:
        for entry in session.scalars(select(LogEntry)):
            session.delete(entry)
        app = find_repository(session, "acme", "app")
        assert app is not None
        owner = api.services.superusers.identify(app.namespace)
        for age in AGES:
            row = audit.entry("push_repo", actor=owner, repository=app, tag=f"v{age}")
            audit.record_all(session, [row | {"at": now() - timedelta(days=age)}])
    count_rested(api.database)
    services = api.services
    return Runtime(services.settings, services.database, MemoryStorage(), services.redis)


def tags(opened: Runtime) -> list[str]:
    with opened.database.read() as session:
        return [entry.detail["tag"] for entry in session.scalars(select(LogEntry).order_by(LogEntry.at))]


def files(storage: Any) -> dict[str, list[dict[str, Any]]]:
    found = {path: gzip.decompress(storage.read(path)).decode() for path, _ in storage.list("action-log")}
    return {path: [json.loads(line) for line in text.splitlines()] for path, text in found.items()}


def test_what_is_old_is_moved_and_still_counted(api: Api, opened: Runtime) -> None:
    assert [rotate(opened, opened.storage), rotate(opened, opened.storage)] == [3, 0]
    assert tags(opened) == ["v29", "v0"]
    ((path, lines),) = files(opened.storage).items()
    assert path.endswith(".jsonl.gz")
    assert [line["metadata_json"]["tag"] for line in lines] == ["v100", "v40", "v31"]
    assert lines[0].keys() == {
        *("id", "kind", "datetime", "namespace_id", "repository_id", "performer_id", "performer", "ip", "metadata_json")
    }
    assert (lines[0]["kind"], datetime.fromisoformat(lines[0]["datetime"]).tzinfo is None) == ("push_repo", False)
    start, end = ((now() - timedelta(days=days)).strftime("%m/%d/%Y") for days in (60, 20))
    counted = api.get(f"/organization/acme/aggregatelogs?starttime={start}&endtime={end}", by="owner").body
    assert sum(each["count"] for each in counted["aggregated"]) == 3


def test_who_is_killed_in_between_loses_nothing(opened: Runtime) -> None:
    with opened.database.read() as session:
        entries: Sequence[LogEntry] = oldest_entries(session, now() - timedelta(days=30))
    opened.storage.write(archive_path("action-log", entries), archived(entries))  # and then the power goes
    assert tags(opened) == [f"v{age}" for age in AGES]
    assert rotate(opened, opened.storage) == 3
    assert [len(lines) for lines in files(opened.storage).values()] == [3]


def test_a_store_that_takes_nothing_keeps_the_log_as_it_is(opened: Runtime) -> None:
    with pytest.raises(StorageError):
        rotate(opened, FullStorage())
    assert tags(opened) == [f"v{age}" for age in AGES]


def test_what_is_not_counted_yet_stays(api: Api, opened: Runtime) -> None:
    with api.database.read() as session:
        assert oldest_entries(session, now(), limit=9)[-1].detail["tag"] == "v29"  # the youngest has not come to rest


def test_old_entries_may_have_a_store_of_their_own(api: Api) -> None:
    folder = api.services.settings.data / "elsewhere"
    locations: dict[str, Any] = {
        "images": ["LocalStorage", {"storage_path": "images"}],
        "logs": ["LocalStorage", {"storage_path": str(folder)}],
    }
    settings = Settings(DISTRIBUTED_STORAGE_CONFIG=locations, ACTION_LOG_ARCHIVE_LOCATION="logs")
    assert isinstance(archive_of(settings), LocalStorage)
    assert archive_of(Settings()) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"ACTION_LOG_ARCHIVE_LOCATION": "nowhere"},
        *({"ACTION_LOG_ARCHIVE_PATH": path} for path in ("blobs", "uploads/x", "logs", "a/../b", "", "exports")),
    ],
)
def test_places_that_are_none_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Settings(**wrong)
