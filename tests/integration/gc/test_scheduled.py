"""The scheduler collects beside its other tasks, and ends in the middle of it when asked to."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from buildworker import scheduler
from buildworker.runtime import Runtime
from buildworker.scheduler import LongTask, Task
from buildworker.stop import Stop
from cli.maintenance import scheduled_collection
from config.settings import Settings
from tests.factories.pusher import Pusher

pytestmark = pytest.mark.parametrize("setup", ["sqlite-local"], indirect=True)
SOON_S = 20


@pytest.fixture
def runtime(pusher: Pusher, fresh_redis_url: str, tmp_path: Path) -> Iterator[Runtime]:
    settings = Settings(DATA=tmp_path, PUSH_TEMP_TAG_EXPIRATION_SEC=1, GARBAGE_COLLECTION_FREQUENCY=1)
    with Redis.from_url(fresh_redis_url) as redis:
        yield Runtime(settings, pusher.services.database, pusher.services.storage, redis)


def test_what_nothing_names_goes_by_itself(runtime: Runtime, pusher: Pusher) -> None:
    digest, kept = pusher.blob(b"alone"), pusher.image("v1", b"kept")
    stop = Stop()

    def watch(_: Runtime) -> None:
        if not pusher.has_blob(digest):
            stop.set()

    tasks = [scheduled_collection(runtime.settings), Task("watch", 0, watch)]
    running = threading.Thread(target=scheduler.run, args=(runtime, stop, tasks))
    running.start()
    running.join(SOON_S)
    assert stop.is_set()
    stop.set()
    running.join(SOON_S)
    assert pusher.has(kept)


def test_a_long_task_holds_up_no_other_and_ends_with_the_scheduler(runtime: Runtime) -> None:
    stop, ended, begun = Stop(), threading.Event(), []

    def last(_: Runtime, asked_to_end: object) -> None:
        begun.append(time.monotonic())
        while not asked_to_end():  # type: ignore[operator]
            time.sleep(0.01)
        ended.set()

    ticks: list[float] = []

    def tick(_: Runtime) -> None:
        ticks.append(time.monotonic())
        if len(ticks) == 3:
            stop.set()

    scheduler.run(runtime, stop, [LongTask("last", 0, last), Task("tick", 0, tick)])
    assert len(ticks) == 3
    assert len(begun) == 1
    assert ended.is_set()


def test_a_long_task_that_fails_is_tried_again(runtime: Runtime) -> None:
    stop, tries = Stop(), []

    def fail(_: Runtime, asked_to_end: object) -> None:
        tries.append(asked_to_end)
        if len(tries) == 2:
            stop.set()
        raise RuntimeError("broken")

    scheduler.run(runtime, stop, [LongTask("fail", 0, fail)])
    assert len(tries) == 2
