"""Pull events on their way from a real Redis into the action log."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from redis import Redis
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from models import pulls
from models.access import Identity
from models.session import Database
from models.tables import LogEntry
from models.tables.base import now

MANY = 5000


@pytest.fixture
def redis(fresh_redis_url: str) -> Iterator[Redis]:
    redis = Redis.from_url(fresh_redis_url)
    yield redis
    redis.close()


def note(redis: Redis, database: Database, count: int) -> None:
    log = pulls.PullLog(redis, database)
    for number in range(count):
        log.note(pulls.Pull(Identity(name="somebody"), 1, 1, {"number": number}))
    log.close()


def written(database: Database) -> list[int]:
    with database.read() as session:
        return sorted(entry["number"] for entry in session.scalars(select(LogEntry.detail)))


def test_two_who_flush_at_once_write_each_event_once(redis: Redis, database: Database) -> None:
    note(redis, database, MANY)
    with ThreadPoolExecutor(4) as pool:
        moved = list(pool.map(lambda _: pulls.flush_pulls(redis, database), range(4)))
    assert sum(moved) == MANY
    assert written(database) == list(range(MANY))
    assert redis.keys("*") == []


def test_what_a_killed_flush_left_is_taken_up_later(redis: Redis, database: Database) -> None:
    note(redis, database, 3)
    (kept,) = redis.keys("*")
    redis.rename(kept, f"{pulls.MOVING}{time.time():.0f}-young")
    assert pulls.flush_pulls(redis, database) == 0
    (kept,) = redis.keys("*")
    redis.rename(kept, f"{pulls.MOVING}{time.time() - pulls.LEFT_S - 1:.0f}-old")
    assert pulls.flush_pulls(redis, database) == 3
    assert written(database) == [0, 1, 2]
    assert redis.keys("*") == []


def test_a_batch_that_nothing_can_take_holds_up_no_others(redis: Redis, database: Database) -> None:
    poison = json.dumps({"kind": "pull_repo", "at": "nonsense", "ip": None, "performer": None})
    redis.rpush(f"{pulls.MOVING}{time.time() - pulls.LEFT_S - 1:.0f}-old", poison)
    note(redis, database, 3)
    with pytest.raises(ValueError, match="nonsense"):
        pulls.flush_pulls(redis, database)
    assert written(database) == [0, 1, 2]


def test_an_address_that_a_client_made_up_is_cut(redis: Redis, database: Database) -> None:
    log = pulls.PullLog(redis, database)
    log.note(pulls.Pull(Identity(name="a" * 600, ip="1" * 90), 1, 1, {"number": 0}))
    log.close()
    assert pulls.flush_pulls(redis, database) == 1
    with database.read() as session:
        assert session.execute(select(LogEntry.ip, LogEntry.performer)).one() == ("1" * 45, "a" * 511)


def test_what_the_database_does_not_take_stays(redis: Redis, database: Database) -> None:
    redis.rpush(pulls.KEY, json.dumps({"kind": "pull_repo", "at": "nonsense", "ip": None, "performer": None}))
    with pytest.raises(ValueError, match="nonsense"):
        pulls.flush_pulls(redis, database)
    assert len(redis.keys(f"{pulls.MOVING}*")) == 1
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(LogEntry)) == 0


def test_pulls_that_differ_only_in_their_moment_are_an_entry_each(redis: Redis, database: Database) -> None:
    began = now()
    log = pulls.PullLog(redis, database)
    often, once = (pulls.Pull(Identity("user", 1, "ann", ip="::1"), 1, 1, {"tag": tag}) for tag in ("v1", "v2"))
    for pull in (often, often, once, often):
        log.note(pull)
    log.close()
    assert redis.llen(pulls.KEY) == 2
    assert pulls.flush_pulls(redis, database) == 4
    with database.read() as session:
        entries = session.scalars(select(LogEntry)).all()
    assert sorted(entry.detail["tag"] for entry in entries) == ["v1", "v1", "v1", "v2"]
    assert began <= min(entry.at for entry in entries) <= max(entry.at for entry in entries) <= now()
    told = {(entry.kind, entry.namespace_id, entry.repository_id, entry.performer_id, entry.ip) for entry in entries}
    assert told == {("pull_repo", 1, 1, 1, "::1")}


def test_an_event_of_the_version_before_is_written_too(redis: Redis, database: Database) -> None:
    moment = datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC)
    event = {"kind": "pull_repo", "at": moment.isoformat(), "namespace_id": 1, "repository_id": None}
    redis.rpush(pulls.KEY, json.dumps({**event, "performer_id": None, "performer": None, "ip": None, "detail": {}}))
    assert pulls.flush_pulls(redis, database) == 1
    with database.read() as session:
        assert session.execute(select(LogEntry.at, LogEntry.repository_id)).one() == (moment, None)


def test_a_large_batch_is_written_in_parts_and_what_was_written_is_gone(
    redis: Redis, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulls, "MOST_WRITTEN", 2)
    note(redis, database, 3)
    redis.rpush(pulls.KEY, pulls.Pull(Identity(), 1, 1, {}).item([-(2**70)]))
    with pytest.raises((DBAPIError, OverflowError)):
        pulls.flush_pulls(redis, database)
    assert written(database) == [0, 1]
    (kept,) = redis.keys("*")
    assert redis.llen(kept) == 2
