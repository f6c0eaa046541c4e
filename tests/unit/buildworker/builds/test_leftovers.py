"""What dead processes leave, and what a worker that lost its build must not touch."""

import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from buildworker import attempt, builds, scratch
from buildworker.builder import EngineInfo
from models.build_orders import take_order
from models.errors import Upstream
from models.tables import Build, Job, RepositoryToken
from storage.memory import MemoryStorage
from tests.factories.engine import MemoryEngine
from tests.unit.buildworker.builds.conftest import Workshop


class SnatchingEngine(MemoryEngine):
    """An engine that is away from the moment that another worker takes the build."""

    def __init__(self, snatch: Callable[[], object]) -> None:
        super().__init__()
        self._snatch = snatch

    def ping(self) -> EngineInfo:
        self._snatch()
        raise Upstream("no Docker engine")


def hand_over(workshop: Workshop, uuid: str) -> None:
    """Let another worker have the build, with a token of its own and an earlier result."""
    with workshop.runtime.database.write() as session:
        session.execute(update(Job).values(owner="the heir"))
        session.execute(update(Build).values(image_digest="sha256:earlier"))
        take_order(session, uuid, lifetime=timedelta(hours=1))


@pytest.mark.parametrize("attempts", [0, 2], ids=["would be tried again", "would be given up"])
def test_a_lost_build_keeps_its_heirs_token_and_result(workshop: Workshop, attempts: int) -> None:
    uuid = workshop.ask("FROM base\n")
    with workshop.runtime.database.write() as session:
        session.execute(update(Job).values(attempts=attempts))
    engine = SnatchingEngine(lambda: hand_over(workshop, uuid))
    builds.run(workshop.runtime, workshop.claim(uuid), workshop.stop, engine=engine, attach=workshop.attach)
    build = workshop.look(uuid)
    assert (build.job.state, build.job.owner, build.image_digest) == ("running", "the heir", "sha256:earlier")
    assert len(workshop.rows(RepositoryToken)) == 1


def test_a_build_lost_before_its_beginning_is_not_begun(workshop: Workshop) -> None:
    uuid = workshop.ask("FROM base\n")
    lease = workshop.claim(uuid)
    hand_over(workshop, uuid)
    (token,) = workshop.rows(RepositoryToken)
    builds.run(workshop.runtime, lease, workshop.stop, engine=workshop.engine, attach=workshop.attach)
    assert [each.token_hash for each in workshop.rows(RepositoryToken)] == [token.token_hash]
    assert workshop.engine.pushed == {}


def leave(workshop: Workshop, uuid: str, owner: str = "dead") -> Path:
    """A folder that a process left when it died, long ago."""
    folder = workshop.runtime.scratch / scratch.name_for(uuid, owner)
    (folder / "tree").mkdir(parents=True)
    os.utime(folder, (0, 0))
    return folder


def test_what_a_dead_attempt_left_on_the_engine_is_removed_by_the_next(workshop: Workshop) -> None:
    uuid = workshop.ask("FROM base\nRUN exit 1\n")
    workshop.engine.images["sha256:old"] = {attempt.LABEL: uuid}
    workshop.run(uuid)
    assert workshop.engine.images == {}


def test_the_engine_keeps_what_belongs_to_a_build_that_goes_on(workshop: Workshop) -> None:
    uuid = workshop.ask("FROM base\n")
    folder = leave(workshop, uuid)
    workshop.engine.images["sha256:new"] = {attempt.LABEL: uuid}
    builds.clean_up(workshop.runtime, engine=workshop.engine)
    assert workshop.engine.images
    assert not folder.exists()
    workshop.claim(uuid)
    folder = leave(workshop, uuid)
    builds.clean_up(workshop.runtime, engine=workshop.engine)
    assert workshop.engine.images
    assert not folder.exists()


def test_a_folder_reminds_of_an_engine_that_is_away(workshop: Workshop) -> None:
    folder = leave(workshop, "gone")
    workshop.engine.images["sha256:older"] = {attempt.LABEL: "gone"}
    workshop.engine.away = True
    builds.clean_up(workshop.runtime, engine=workshop.engine)
    assert folder.exists()
    workshop.engine.away = False
    builds.clean_up(workshop.runtime, engine=workshop.engine)
    assert workshop.engine.images == {}
    assert not folder.exists()


def test_only_folders_of_dead_processes_are_abandoned(workshop: Workshop) -> None:
    uuid = workshop.ask("FROM base\n")
    root, name = workshop.runtime.scratch, scratch.name_for(uuid, "alive")
    with scratch.folder(root, name) as alive:
        assert scratch.abandoned(root) == []  # too young to tell
        dead = leave(workshop, uuid)
        os.utime(alive, (0, 0))
        assert scratch.abandoned(root) == [dead.name]
        builds.clean_up(workshop.runtime, engine=workshop.engine)
        assert [path.name for path in root.iterdir()] == [name]
    assert scratch.uuid_in(name) == uuid


def test_a_leftover_that_cannot_be_removed_stops_no_worker(
    workshop: Workshop, caplog: pytest.LogCaptureFixture
) -> None:
    deep, other = leave(workshop, "deep"), leave(workshop, "other")
    here = os.open(deep, os.O_RDONLY)
    for _ in range(1020):
        os.mkdir("a", dir_fd=here)
        inner = os.open("a", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    os.utime(deep, (0, 0))
    builds.clean_up(workshop.runtime, engine=workshop.engine)
    assert not other.exists()
    if deep.exists():  # some releases of Python can remove it
        assert "rm -r" in caplog.text
        subprocess.run(["rm", "-r", deep], check=True)


class WatchingStorage(MemoryStorage):
    """Notes what there is in a folder whenever something is written."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.seen: list[str] = []
        self._root = root

    def write(self, path: str, data: bytes) -> None:
        self.seen += [entry.name for entry in self._root.glob("*/*")]
        super().write(path, data)


def test_the_source_makes_room_for_the_records_of_a_failure(workshop: Workshop) -> None:
    uuid = workshop.ask("FROM base\nRUN exit 1\n")
    storage = WatchingStorage(workshop.runtime.scratch)
    runtime = replace(workshop.runtime, storage=storage)
    builds.run(runtime, workshop.claim(uuid), workshop.stop, engine=workshop.engine, attach=workshop.attach)
    assert workshop.look(uuid).job.phase == "error"
    assert set(storage.seen) == {"lock", "log.jsonl"}
