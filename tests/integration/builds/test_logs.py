"""Logs in a real Redis: soon there, complete whatever becomes of Redis, and gone some time after."""

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from buildworker.logs import KEPT_ARCHIVED_S, KEPT_LIVE_S, BuildLog, append_end, pack_live_log
from models.buildlogs import logs_key, read_logs, read_status, status_key
from models.tables import Job
from tests.services.process import wait_until

UUID = "5af4abbe-76bf-4c3e-a882-a1dfed8043cc"


@pytest.fixture
def begin(redis: Redis, tmp_path: Path) -> Iterator[Callable[..., BuildLog]]:
    """Begin to write a log, as an attempt at a build does."""
    logs: list[BuildLog] = []

    def start(**options: Any) -> BuildLog:
        file = tmp_path / f"log-{len(logs)}"
        logs.append(BuildLog(redis, UUID, file, **{"max_bytes": 1_000_000, **options}))
        return logs[-1]

    yield start
    for log in logs:
        log.abandon()


def live(redis: Redis, start: int = 0) -> tuple[int, list[str]]:
    total, entries = read_logs(redis, Job(uuid=UUID, logs_path=None), start, open_archive=Path().open)  # type: ignore[arg-type]
    return total, [entry["message"] for entry in entries]


def test_lines_are_live_within_a_second(redis: Redis, begin: Callable[..., BuildLog]) -> None:
    log = begin()
    log.phase("building")
    log.command("Step 1/2 : FROM scratch")
    log.output(" ---> Running")
    log.error("oops")
    wait_until(lambda: live(redis)[0] == 4, seconds=1)
    entries = [json.loads(line) for line in redis.lrange(logs_key(UUID), 0, -1)]
    assert [entry.get("type") for entry in entries] == ["phase", "command", None, "error"]
    assert entries[0]["data"].keys() == {"datetime"}
    assert live(redis, 2) == (4, [" ---> Running", "oops"])
    assert live(redis, 9) == (4, [])


def test_progress_is_live_too(redis: Redis, begin: Callable[..., BuildLog]) -> None:
    log = begin()
    log.progress(total_commands=2, current_command=1)
    log.progress(push_completion=0.5)
    log.flush()
    assert read_status(redis, [UUID, "another"]) == {
        UUID: {"total_commands": 2, "current_command": 1, "push_completion": 0.5}
    }
    assert read_status(redis, []) == {}


def test_a_redis_that_comes_back_empty_gets_the_whole_log_again(redis: Redis, begin: Callable[..., BuildLog]) -> None:
    log = begin()
    for number in range(2500):
        log.output(str(number))
    log.flush()
    redis.flushdb()
    log.output("last")
    wait_until(lambda: live(redis)[0] == 2501, seconds=3)
    assert live(redis, 2499) == (2501, ["2499", "last"])


def test_what_a_dead_worker_still_writes_does_not_stay(redis: Redis, begin: Callable[..., BuildLog]) -> None:
    log = begin()
    log.output("one")
    log.flush()
    redis.rpush(logs_key(UUID), json.dumps({"message": "from the dead"}))
    log.output("two")
    log.flush()
    assert live(redis) == (2, ["one", "two"])


def test_the_next_attempt_goes_on_in_the_same_log(redis: Redis, begin: Callable[..., BuildLog]) -> None:
    first = begin()
    first.output("first attempt")
    first.progress(current_command=7)
    first.close(archived=False)
    second = begin()
    second.output("second attempt")
    second.flush()
    assert live(redis) == (2, ["first attempt", "second attempt"])
    assert (second.lines, read_status(redis, [UUID])) == (2, {UUID: {}})
    messages = [json.loads(line)["message"] for line in gzip.decompress(second.packed()).splitlines()]
    assert messages == ["first attempt", "second attempt"]


def test_redis_forgets_the_log_after_its_archive_is_there(redis: Redis, begin: Callable[..., BuildLog]) -> None:
    log = begin()
    log.output("line")
    log.progress(current_command=1)
    log.flush()
    assert KEPT_ARCHIVED_S < redis.ttl(logs_key(UUID)) <= KEPT_LIVE_S
    log.close(archived=True)
    assert 0 < redis.ttl(logs_key(UUID)) <= KEPT_ARCHIVED_S
    assert 0 < redis.ttl(status_key(UUID)) <= KEPT_ARCHIVED_S


def test_secrets_are_masked_also_as_urls_quote_them(begin: Callable[..., BuildLog]) -> None:
    log = begin(secrets=["pass/word", "", "pass"])
    log.output("pass/word pass%2Fword and pass")
    (line,) = gzip.decompress(log.packed()).splitlines()
    assert json.loads(line)["message"] == "**** **** and ****"


def test_a_log_without_a_worker_is_ended_and_archived_from_redis(redis: Redis, begin: Callable[..., BuildLog]) -> None:
    log = begin()
    log.output("line")
    log.flush()
    append_end(redis, UUID, "internalerror", "why")
    lines, packed = pack_live_log(redis, UUID)
    entries = [json.loads(line) for line in gzip.decompress(packed).splitlines()]
    assert lines == 3
    assert [(entry.get("type"), entry["message"]) for entry in entries] == [
        (None, "line"),
        ("error", "why"),
        ("phase", "internalerror"),
    ]
    assert pack_live_log(redis, "another")[0] == 0
