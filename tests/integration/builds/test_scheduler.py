"""What the scheduler puts right, with a real Redis."""

import gzip
import threading
import time
from datetime import timedelta

import pytest
from sqlalchemy import update

from buildworker import builds, scheduler
from buildworker.runtime import Runtime
from buildworker.scheduler import Task
from buildworker.stop import Stop
from models import jobs
from models.buildlogs import logs_key
from models.jobs import Lease
from models.queue import WakeUps
from models.tables import Job
from models.tables.base import now
from tests.integration.builds.conftest import ask, look

URL = "http://127.0.0.1:1/a.tgz"
LONG_AGO = timedelta(hours=1)


def claim(runtime: Runtime, uuid: str) -> Lease:
    with runtime.database.write() as session:
        lease = jobs.claim(session, uuid, "a worker")
    assert lease is not None
    return lease


def make_older(runtime: Runtime, **columns: object) -> None:
    with runtime.database.write() as session:
        session.execute(update(Job).values(**columns))


def waiting(runtime: Runtime) -> list[str]:
    return WakeUps(runtime.redis).queue("builds").get_job_ids()


def test_a_wake_up_that_redis_lost_is_sent_again_once(runtime: Runtime) -> None:
    uuid = ask(runtime, URL)
    make_older(runtime, queued_at=now() - LONG_AGO)
    scheduler.wake_waiting(runtime)
    assert waiting(runtime) == [uuid]
    runtime.redis.flushdb()
    scheduler.wake_waiting(runtime)
    scheduler.wake_waiting(runtime)
    assert waiting(runtime) == [uuid]


def test_jobs_that_are_held_or_not_due_are_not_woken(runtime: Runtime) -> None:
    held, later = ask(runtime, URL), ask(runtime, URL)
    claim(runtime, held)
    lease = claim(runtime, later)
    with runtime.database.write() as session:
        jobs.release(session, lease, delay=LONG_AGO)
    runtime.redis.flushdb()
    scheduler.wake_waiting(runtime)
    assert waiting(runtime) == []


def test_a_job_without_a_sign_of_life_is_queued_again_and_woken(runtime: Runtime) -> None:
    uuid = ask(runtime, URL)
    claim(runtime, uuid)
    runtime.redis.flushdb()
    scheduler.requeue_lost(runtime)
    assert look(runtime, uuid).job.state == "running"
    make_older(runtime, heartbeat_at=now() - LONG_AGO)
    scheduler.requeue_lost(runtime)
    assert (look(runtime, uuid).job.state, waiting(runtime)) == ("queued", [uuid])


def test_a_job_that_was_lost_too_often_ends_with_a_log_that_tells(runtime: Runtime) -> None:
    uuid = ask(runtime, URL)
    claim(runtime, uuid)
    make_older(runtime, heartbeat_at=now() - LONG_AGO, attempts=3)
    scheduler.requeue_lost(runtime)
    job = look(runtime, uuid).job
    assert (job.phase, job.result) == ("internalerror", "internalerror")
    builds.archive_forgotten(runtime)
    assert look(runtime, uuid).job.logs_path is None  # its worker may be about to
    make_older(runtime, finished_at=now() - LONG_AGO)
    builds.archive_forgotten(runtime)
    archived = look(runtime, uuid).job
    assert archived.logs_path is not None
    assert archived.log_lines == 2
    assert job.error is not None
    assert job.error.encode() in gzip.decompress(runtime.storage.read(archived.logs_path))
    assert runtime.redis.ttl(logs_key(uuid)) > 0


def test_of_two_schedulers_one_works_until_it_ends(runtime: Runtime) -> None:
    done: list[str] = []
    stops = {name: Stop() for name in ("first", "second")}

    def run(name: str) -> None:
        scheduler.run(runtime, stops[name], [Task("count", 0.1, lambda _: done.append(name))])

    first = threading.Thread(target=run, args=["first"])
    first.start()
    time.sleep(1.5)
    second = threading.Thread(target=run, args=["second"])
    second.start()
    time.sleep(1.5)
    assert set(done) == {"first"}
    stops["first"].set()
    first.join()
    time.sleep(1.5)
    stops["second"].set()
    second.join()
    assert done[-1] == "second"


def test_a_task_that_fails_does_not_keep_others_from_their_work(
    runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    stop = Stop()

    def fail(_: Runtime) -> None:
        raise ValueError("a mistake")

    scheduler.run(runtime, stop, [Task("fail", 0, fail), Task("end", 0, lambda _: stop.set())])
    assert "could not fail" in caplog.text
