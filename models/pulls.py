"""Pull events: gathered by each web process, handed to Redis in batches, written to the action log by the scheduler.

A pull costs no round trip of its own, and one that differs from others only in its moment hardly more than that. A web
process that is killed may lose the events of its last half second.
"""

import json
import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from models.access import Identity
from models.pull_entries import insert_entries
from models.session import Database

log = logging.getLogger(__name__)

KEY = "drydock/pulls"
MOVING = f"{KEY}/moving/"
LEFT_S = 300
"""After how long a batch on its way counts as left behind."""
BATCH = 1000
"""Events that are handed over at once, and items that are taken out of Redis at once: some events each."""
MOST_WRITTEN = 20_000
"""Events that one transaction writes, give or take an item."""
_CLAIM = """
local batch = redis.call('LRANGE', KEYS[1], 0, ARGV[1] - 1)
if #batch > 0 then
  redis.call('RPUSH', KEYS[2], unpack(batch))
  redis.call('LTRIM', KEYS[1], #batch, -1)
end
return #batch
"""
INTERVAL_S = 0.5
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST = {"ip": 45, "performer": 511}
"""Characters, as in the table."""
MOST_KEPT = 200_000
"""Events kept in memory while neither Redis nor the database takes them; older ones are dropped, and that is logged."""


@dataclass(frozen=True, eq=False)
class Pull:
    """That `actor` pulled a manifest; `detail` is the log entry's metadata. One object may be noted many times."""

    actor: Identity
    namespace_id: int
    repository_id: int
    detail: dict[str, Any]

    def item(self, moments: list[int]) -> str:
        """What Redis keeps of the times that it was noted."""
        return json.dumps(
            {
                "kind": "pull_repo",
                "at": moments,
                "namespace_id": self.namespace_id,
                "repository_id": self.repository_id,
                "performer_id": self.actor.account_id,
                "performer": self.actor.performer,
                "ip": self.actor.ip,
                "detail": {**self.detail, **dict(self.actor.log_detail)},
            }
        )


class PullLog:
    """The pull events of one process. Thread-safe; its thread starts with the first event, after any fork."""

    def __init__(self, redis: Redis, database: Database) -> None:
        self._redis = redis
        self._database = database
        self._events: deque[tuple[Pull, int]] = deque()
        self._handing = threading.Lock()
        self._started = False
        self._closing = threading.Event()

    def note(self, pull: Pull) -> None:
        """Note that this was pulled now."""
        self._events.append((pull, time.time_ns() // 1000))
        if not self._started:
            self._started = True
            threading.Thread(target=self._run, name="pulls", daemon=True).start()

    def hand_over(self) -> None:
        """Give what was noted to Redis, or to the database when Redis does not answer."""
        with self._handing:
            while self._events:
                batch = [self._events.popleft() for _ in range(min(BATCH, len(self._events)))]
                if not self._give(batch):
                    self._events.extendleft(reversed(batch))
                    self._drop_oldest()
                    return

    def close(self) -> None:
        """Hand over what is left; nothing may be noted afterwards."""
        self._closing.set()
        self.hand_over()

    def _run(self) -> None:
        while not self._closing.wait(INTERVAL_S):
            self.hand_over()

    def _give(self, batch: list[tuple[Pull, int]]) -> bool:
        moments: dict[Pull, list[int]] = {}
        for pull, moment in batch:
            moments.setdefault(pull, []).append(moment)
        items = [pull.item(when) for pull, when in moments.items()]
        try:
            self._redis.rpush(KEY, *items)
        except RedisError as exc:
            log.warning("pulls go to the database, Redis did not take them: %s", exc)
        else:
            return True
        try:
            with self._database.write() as session:
                insert_entries(session, [_entry(item) for item in items])
        except SQLAlchemyError as exc:
            log.warning("%d pulls wait, the database did not take them either: %s", len(self._events), exc)
            return False
        return True

    def _drop_oldest(self) -> None:
        dropped = 0
        while len(self._events) > MOST_KEPT:
            self._events.popleft()
            dropped += 1
        if dropped:
            log.error("%d pulls are not in the action log: nothing took them for too long", dropped)


def flush_pulls(redis: Redis, database: Database) -> int:
    """Move what was handed over into the action log; how many. Two at once take different events.

    A batch leaves Redis only after it is committed; one that a killed process left is taken up again, after those that
    are new: if it is what nothing can take, it holds up no others.
    """
    moved = 0
    claim = redis.register_script(_CLAIM)
    while claim(keys=[KEY, mine := _new_batch()], args=[BATCH]):
        moved += _write(redis, database, mine)
    for left in redis.scan_iter(f"{MOVING}*"):
        if time.time() - float(left.decode().removeprefix(MOVING).partition("-")[0]) > LEFT_S:
            mine = _new_batch()
            if redis.renamenx(left, mine):
                moved += _write(redis, database, mine)
    return moved


def _new_batch() -> str:
    """The key of a batch that is on its way, which tells since when."""
    return f"{MOVING}{time.time():.0f}-{uuid.uuid4().hex}"


def _write(redis: Redis, database: Database, key: str) -> int:
    written = 0
    for entries in _together([_entry(item) for item in redis.lrange(key, 0, -1)]):
        with database.write() as session:
            written += insert_entries(session, entries)
        redis.ltrim(key, len(entries), -1)
    return written


def _together(entries: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """The entries in their order, in parts that a transaction may write."""
    part: list[dict[str, Any]] = []
    events = 0
    for entry in entries:
        part.append(entry)
        events += len(entry["moments"])
        if events >= MOST_WRITTEN:
            yield part
            part, events = [], 0
    if part:
        yield part


def _entry(item: str | bytes) -> dict[str, Any]:
    """The item as an entry that fits: one that does not would keep all others of its batch out of the log, for ever."""
    event = json.loads(item)
    at = event.pop("at")
    fitting = {name: (event[name] or "")[:most] or None for name, most in _LONGEST.items()}
    return {**event, **fitting, "moments": at if isinstance(at, list) else [_microseconds(at)]}


def _microseconds(moment: str) -> int:
    """Of an event that the version before noted."""
    return (datetime.fromisoformat(moment) - _EPOCH) // timedelta(microseconds=1)
