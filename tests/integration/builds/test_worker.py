"""Worker processes, a real engine and a real registry, and what happens when one of them dies."""

import json
import os
import signal
import time
import urllib.request
from itertools import pairwise

import pytest
from redis import Redis

from buildworker.attempt import LABEL
from buildworker.runtime import Runtime
from models.access import Identity
from models.buildlogs import read_logs
from models.builds import cancel_build, find_build
from models.queue import count_workers
from tests.integration.builds.conftest import Site, Workers, ask, await_phase, horse_of, look, shorter_than
from tests.services.process import wait_until

SLOW = "RUN echo begun; sleep 4; echo ended\n"


def said(runtime: Runtime, uuid: str) -> list[str]:
    _, entries = read_logs(runtime.redis, look(runtime, uuid).job, 0, open_archive=runtime.storage.open)
    return [entry["message"] for entry in entries]


def left_on(workers: Workers) -> list[str]:
    """Containers and images of builds that the engine still has."""
    found = workers.engine.docker("ps", "--all", "--quiet", "--filter", f"label={LABEL}")
    return (found + workers.engine.docker("images", "--all", "--quiet", "--filter", f"label={LABEL}")).split()


def begin_slow(runtime: Runtime, workers: Workers, site: Site) -> str:
    """A build whose slow step has begun."""
    uuid = ask(runtime, site.put("slow.tgz", f"FROM {workers.base}\n{SLOW}"))
    await_phase(runtime, uuid, "building")
    wait_until(lambda: "begun" in said_live(runtime, uuid), seconds=30)
    return uuid


def said_live(runtime: Runtime, uuid: str) -> list[str]:
    return [json.loads(line)["message"] for line in runtime.redis.lrange(f"builds/{uuid}/logs", 0, -1)]


def test_an_archive_becomes_an_image_in_the_registry(runtime: Runtime, workers: Workers, site: Site) -> None:
    workers.start()
    url = site.put("ok.tgz", f"FROM {workers.base}\nRUN echo hello\n")
    uuid = ask(runtime, url, tags=["one", "two"])
    with shorter_than(1):
        wait_until(lambda: look(runtime, uuid).job.state != "queued", seconds=5)
    build = await_phase(runtime, uuid, "complete")
    with urllib.request.urlopen(f"http://{workers.host}/v2/acme/app/tags/list") as answer:
        assert {"one", "two"} <= set(json.load(answer)["tags"])
    assert build.image_digest is not None
    assert {"hello", "Step 2/3 : RUN echo hello"} <= set(said_live(runtime, uuid))
    assert left_on(workers) == []


def test_buildah_makes_an_image_without_the_engine(
    runtime: Runtime, workers: Workers, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUILDAH_ISOLATION", "chroot")
    monkeypatch.setenv("STORAGE_DRIVER", "vfs")
    workers.environ |= {"DRYDOCK_BUILD_ENGINE": "buildah", "DRYDOCK_BUILD_ENGINE_URL": "unix:///nowhere.sock"}
    workers.start()
    uuid = ask(runtime, site.put("ok.tgz", f"FROM {workers.base}\nRUN echo hello\n"), tags=["by-buildah"])
    build = await_phase(runtime, uuid, "complete")
    with urllib.request.urlopen(f"http://{workers.host}/v2/acme/app/manifests/{build.image_digest}") as answer:
        assert answer.status == 200
    assert {"hello", "Step 2/3 : RUN echo hello"} <= set(said_live(runtime, uuid))
    assert list((runtime.settings.data / "buildah").glob("*")) == []


def test_log_lines_are_there_within_a_second(runtime: Runtime, workers: Workers, site: Site) -> None:
    workers.start()
    step = "RUN for i in 1 2 3; do date +%s; sleep 1; done\n".replace("date +%s", "echo tick")
    uuid = ask(runtime, site.put("ticks.tgz", f"FROM {workers.base}\n{step}"))
    seen: list[float] = []
    while look(runtime, uuid).job.state != "finished":
        ticks = said_live(runtime, uuid).count("tick")
        seen += [time.monotonic()] * (ticks - len(seen))
        time.sleep(0.05)
    assert len(seen) == 3
    assert seen[2] - seen[0] > 1.2  # they did not come all at once, in the end


def test_a_killed_build_is_tried_again_by_itself(runtime: Runtime, workers: Workers, site: Site) -> None:
    worker = workers.start()
    uuid = begin_slow(runtime, workers, site)
    os.kill(horse_of(worker), signal.SIGKILL)
    build = await_phase(runtime, uuid, "complete")
    assert build.job.attempts == 2
    assert "Attempt 2 of 3." in said_live(runtime, uuid)
    assert left_on(workers) == []


def test_a_build_that_kills_its_process_each_time_is_given_up(runtime: Runtime, workers: Workers, site: Site) -> None:
    worker = workers.start()
    uuid = ask(runtime, site.put("deadly.tgz", f"FROM {workers.base}\nRUN sleep 30\n"))
    for attempt in (1, 2, 3):
        wait_until(lambda attempt=attempt: look(runtime, uuid).job.attempts == attempt, seconds=20)  # type: ignore[misc]
        os.kill(horse_of(worker), signal.SIGKILL)  # and at once, without a pause, there is the next attempt
    job = await_phase(runtime, uuid, "internalerror").job
    assert (job.attempts, job.result, job.failure) == (3, "internalerror", "infrastructure")
    assert "The worker was lost 3 times" in (job.error or "")
    assert worker.alive


def test_a_worker_goes_from_build_to_build_without_a_pause(runtime: Runtime, workers: Workers, site: Site) -> None:
    url = site.put("small.tgz", f"FROM {workers.base}\nLABEL small=yes\n")
    uuids = [ask(runtime, url) for _ in range(5)]
    assert count_workers(runtime.redis, "builds") == 0
    workers.start()
    await_phase(runtime, uuids[-1], "complete")
    assert count_workers(runtime.redis, "builds") == 1
    jobs = [look(runtime, uuid).job for uuid in uuids]
    gaps = [(later.started_at - earlier.finished_at).total_seconds() for earlier, later in pairwise(jobs)]  # type: ignore[operator]
    assert sorted(gaps)[len(gaps) // 2] < 0.3, gaps


def test_the_next_worker_goes_on_where_a_killed_one_was(runtime: Runtime, workers: Workers, site: Site) -> None:
    worker = workers.start()
    uuid = begin_slow(runtime, workers, site)
    horse = horse_of(worker)
    os.kill(worker.pid, signal.SIGSTOP)  # so that it cannot see its child die
    os.kill(horse, signal.SIGKILL)
    worker.kill()
    assert look(runtime, uuid).job.state == "running"
    workers.start()
    assert await_phase(runtime, uuid, "complete").job.attempts == 2


def test_a_worker_that_is_told_to_end_gives_its_build_back(runtime: Runtime, workers: Workers, site: Site) -> None:
    worker = workers.start()
    uuid = begin_slow(runtime, workers, site)
    with shorter_than(4):
        assert worker.stop() == 0
    job = look(runtime, uuid).job
    assert (job.state, job.attempts, job.owner) == ("queued", 0, None)
    wait_until(lambda: left_on(workers) == [], seconds=10)
    workers.start()
    assert await_phase(runtime, uuid, "complete").job.attempts == 1


def test_a_cancel_ends_a_running_build_within_two_seconds(runtime: Runtime, workers: Workers, site: Site) -> None:
    workers.start()
    uuid = begin_slow(runtime, workers, site)
    with runtime.database.write() as session:
        build = find_build(session, uuid)
        assert build is not None
        cancel_build(session, build, actor=Identity(kind="user", account_id=None, name="owner"))
    with shorter_than(2):
        await_phase(runtime, uuid, "cancelled")
    wait_until(lambda: workers.engine.docker("ps", "--quiet") == "", seconds=10)


def test_a_worker_waits_for_redis_and_survives_its_loss(
    runtime: Runtime, workers: Workers, site: Site, redis: Redis
) -> None:
    good = workers.environ["DRYDOCK_REDIS_URL"]
    workers.environ["DRYDOCK_REDIS_URL"] = "redis://127.0.0.1:1"
    waiting = workers.start(ready=lambda: True)
    wait_until(lambda: "Redis does not answer" in waiting.log_tail(), seconds=20, alive=lambda: waiting.alive)
    with shorter_than(3):
        assert waiting.stop() == 0
    workers.environ["DRYDOCK_REDIS_URL"] = good
    workers.start()
    uuid = begin_slow(runtime, workers, site)
    redis.flushdb()
    redis.client_kill_filter(_type="normal", skipme=True)
    await_phase(runtime, uuid, "complete")
    assert {"begun", "ended", "complete"} <= set(said_live(runtime, uuid))
    redis.flushdb()
    again = ask(runtime, site.put("ok.tgz", f"FROM {workers.base}\n"))
    await_phase(runtime, again, "complete")
