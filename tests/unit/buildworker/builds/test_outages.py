"""A database, a disk or a moment that fails: nobody loses a job to it."""

import gzip
import json
import resource
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import select, text, update
from sqlalchemy.exc import OperationalError

from buildworker import lookout, scheduler, worker
from buildworker.logs import BuildLog
from buildworker.lookout import Lookout
from buildworker.runtime import Runtime
from buildworker.scheduler import LongTask, LostJobs
from buildworker.stop import Stop
from config.settings import Settings
from models import jobs
from models.jobs import Lease
from models.tables import Job
from models.tables.base import now
from storage.memory import MemoryStorage
from tests.factories.database import make_database
from tests.services.process import wait_until

NO_REDIS = "redis://127.0.0.1:1"


class Clock:
    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


class Shaky:
    """An installation whose database fails on demand."""

    def __init__(self, folder: Path) -> None:
        self.runtime = Runtime(Settings(DATA=folder), make_database(folder), MemoryStorage(), Redis.from_url(NO_REDIS))

    def rename(self, old: str, new: str) -> None:
        with self.runtime.database.engine.begin() as connection:
            connection.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))

    @contextmanager
    def outage(self) -> Iterator[None]:
        self.rename(Job.__tablename__, "away")
        yield
        self.rename("away", Job.__tablename__)

    def job(self) -> Job:
        with self.runtime.database.read() as session:
            return session.scalars(select(Job)).one()

    def held(self, heartbeat: datetime) -> Lease:
        """A job that a worker holds, with its last sign of life."""
        with self.runtime.database.write() as session:
            uuid = jobs.enqueue(session, kind="build", queue="builds", namespace=None).uuid
            lease = jobs.claim(session, uuid, "a worker")
            session.execute(update(Job).values(heartbeat_at=heartbeat))
        assert lease is not None
        return lease


@pytest.fixture
def shaky(tmp_path: Path) -> Iterator[Shaky]:
    shaky = Shaky(tmp_path)
    yield shaky
    shaky.runtime.database.dispose()


def test_a_sign_of_life_that_failed_is_given_as_soon_as_the_database_answers(
    shaky: Shaky, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(lookout, "LOOK_EVERY_S", 0.01)
    long_ago, clock = now() - timedelta(hours=1), Clock()
    lease = shaky.held(long_ago)
    with Lookout(shaky.runtime, lease, Stop(), clock=clock) as watching:
        with shaky.outage():
            clock.time += shaky.runtime.settings.BUILD_HEARTBEAT_SEC
            wait_until(lambda: "goes on unseen" in caplog.text, seconds=5, pause=0.01)
        wait_until(lambda: (shaky.job().heartbeat_at or long_ago) > long_ago, seconds=5, pause=0.01)
    assert watching.reason is None


def test_silent_jobs_get_time_for_two_signs_of_life_after_an_outage(shaky: Shaky) -> None:
    shaky.held(now() - timedelta(hours=1))
    clock = Clock()
    lost_jobs = LostJobs(clock)
    with shaky.outage(), pytest.raises(OperationalError):
        lost_jobs(shaky.runtime)
    for _ in range(2):
        lost_jobs(shaky.runtime)
        clock.time += 2 * shaky.runtime.settings.BUILD_HEARTBEAT_SEC - 1
        assert shaky.job().state == "running"
        with shaky.outage(), pytest.raises(OperationalError):
            lost_jobs(shaky.runtime)
    lost_jobs(shaky.runtime)
    clock.time += 2 * shaky.runtime.settings.BUILD_HEARTBEAT_SEC
    lost_jobs(shaky.runtime)
    assert shaky.job().state == "queued"


def test_silent_jobs_are_queued_again_at_once_without_an_outage(shaky: Shaky) -> None:
    shaky.held(now() - timedelta(hours=1))
    LostJobs(Clock())(shaky.runtime)
    assert shaky.job().state == "queued"


def test_an_answer_that_takes_long_ends_an_outage_too(shaky: Shaky) -> None:
    shaky.held(now() - timedelta(hours=1))
    readings = iter([0.0, 60.0, 65.0, 65.0, 71.0, 71.0])
    lost_jobs = LostJobs(lambda: next(readings))
    for state in ("running", "running", "queued"):
        lost_jobs(shaky.runtime)
        assert shaky.job().state == state


def test_a_long_task_has_one_thread_for_all_its_runs(shaky: Shaky, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "_TICK_S", 0.01)
    stop, threads = Stop(), []

    def note(_: Runtime, ended: Callable[[], bool]) -> None:
        threads.append(threading.get_ident())
        if len(threads) == 3:
            stop.set()
            assert ended()

    scheduler.run(shaky.runtime, stop, [LongTask("note", 0, note)])
    assert len(threads) == 3
    assert len({*threads, threading.get_ident()}) == 2


def test_a_signal_that_came_before_the_child_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_LOOK_S", 0.01)
    stop = Stop()
    stop.set()
    with subprocess.Popen(["sleep", "30"]) as child:
        begun = time.monotonic()
        assert worker.wait_for(child.pid, stop, lambda: None) == 15
        assert time.monotonic() - begun < 5


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file of this process can grow beyond the size."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_log_survives_a_full_disk_with_whole_lines(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = BuildLog(Redis.from_url(NO_REDIS), "a-build", tmp_path / "log", max_bytes=1 << 30)
    with full_disk(100_000):
        for number in range(10):
            log.output(str(number) * 16_000)
    log.output("there is room again")
    lines = [json.loads(line)["message"] for line in gzip.decompress(log.packed()).splitlines()]
    log.abandon()
    assert [line[0] for line in lines] == ["0", "1", "2", "3", "4", "5", "t"]
    assert log.lines == len(lines)
    assert caplog.text.count("has gaps") == 1
