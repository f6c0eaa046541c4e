"""Pull events on their way from a real Redis into the action log."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis
from sqlalchemy import func, select

from models import pulls
from models.access import Identity
from models.session import Database
from models.tables import LogEntry

MANY = 5000


@pytest.fixture
def redis(fresh_redis_url: str) -> Iterator[Redis]:
    redis = Redis.from_url(fresh_redis_url)
    yield redis
    redis.close()


def note(redis: Redis, database: Database, count: int) -> None:
    log = pulls.PullLog(redis, database)
    for number in range(count):
        log.note(Identity(name="somebody"), namespace_id=1, repository_id=1, detail={"number": number})
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
    log.note(Identity(name="a" * 600, ip="1" * 90), namespace_id=1, repository_id=1, detail={"number": 0})
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
