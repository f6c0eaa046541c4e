"""Following the log of a build while it grows: what has come since, until the build has ended.

The entries are read from Redis several times a second, whether the build has ended from the database now and then. What
Redis has no more is read from the archive, so that a reader who comes late, or whose Redis was away, gets all of it.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from models.buildlogs import archived_lines, logs_key
from models.session import Database
from models.tables import Job

LOOK_EVERY_S = 0.2
ASK_EVERY_S = 2.0
_AT_ONCE = 500
_ENDS = frozenset({"complete", "error", "internalerror", "cancelled"})


@dataclass(frozen=True)
class News:
    """Entries, as JSON, the first of which is numbered `start`; none if nothing came. `end`: the build's last phase."""

    start: int
    lines: list[bytes]
    end: str | None = None


@dataclass(frozen=True)
class _Standing:
    phase: str
    finished: bool
    logs_path: str | None


class LogFeed:
    """The log of one build. `until` is a `time.monotonic()` value at which the feed ends in any case."""

    def __init__(
        self,
        redis: Redis,
        database: Database,
        uuid: str,
        *,
        open_archive: Callable[[str], BinaryIO],
        until: float,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._redis = redis
        self._database = database
        self._uuid = uuid
        self._open_archive = open_archive
        self._until = until
        self._sleep = sleep

    def news(self, start: int) -> Iterator[News]:
        """What there is from the entry numbered `start` on, then what comes; an empty one each time that nothing did.

        The last one, of a build that has ended, has an `end`. What storage raises is the caller's to tell.
        """
        next_question = 0.0
        while (present := time.monotonic()) < self._until:
            standing = None
            if present >= next_question:
                standing = self._standing()
                next_question = present + ASK_EVERY_S
            if standing and standing.logs_path:
                yield from self._rest(standing, start)
                return
            lines = self._lines(start)
            yield News(start, lines or [])
            start += len(lines or [])
            if lines and _is_end(lines[-1]):
                next_question = 0.0
            elif lines == [] and standing and standing.finished:
                yield News(start, [], standing.phase)
                return
            if not lines or len(lines) < _AT_ONCE:
                self._sleep(LOOK_EVERY_S)

    def _lines(self, start: int) -> list[bytes] | None:
        """The next entries; None if Redis does not answer."""
        try:
            return cast("list[bytes]", self._redis.lrange(logs_key(self._uuid), start, start + _AT_ONCE - 1))
        except RedisError:
            return None

    def _rest(self, standing: _Standing, start: int) -> Iterator[News]:
        lines: list[bytes] = []
        for line in archived_lines(self._open_archive(str(standing.logs_path)), start):
            lines.append(line)
            if len(lines) == _AT_ONCE:
                yield News(start, lines)
                start, lines = start + len(lines), []
        yield News(start, lines, standing.phase)

    def _standing(self) -> _Standing | None:
        """How the build stands; None if the database does not answer."""
        try:
            with self._database.read() as session:
                query = select(Job.phase, Job.state, Job.logs_path).where(Job.uuid == self._uuid)
                row = session.execute(query).first()
        except SQLAlchemyError:
            return None
        if row is None:  # removed with its repository
            return _Standing("cancelled", finished=True, logs_path=None)
        return _Standing(row.phase, row.state == "finished", row.logs_path)


def _is_end(line: bytes) -> bool:
    entry = json.loads(line)
    return entry.get("type") == "phase" and entry.get("message") in _ENDS
