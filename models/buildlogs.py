"""Reading what a build tells: its live log and progress in Redis, its archived log in storage.

An entry is Quay's: `{"message", "type"?, "data"?}`; a type is `phase`, `command` or `error`, plain output has none. The
worker appends entries to a list in Redis, one JSON text each, and in the end writes the same lines to storage, gzipped.
"""

import gzip
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import chain, islice
from typing import Any, BinaryIO, cast

from redis import Redis
from redis.exceptions import RedisError

from models.errors import Upstream
from models.tables import Job

log = logging.getLogger(__name__)

Entry = dict[str, Any]

MOST_ENTRIES = 20_000
"""Entries read at a time; who wants more asks again, starting after them."""
MOST_BYTES = 16 * 1024 * 1024
"""The same, of their JSON."""
_PAGE = 1000
_AWAY = "The build's log cannot be read now, because Redis does not answer; try again soon"


def logs_key(uuid: str) -> str:
    """Redis list of a build's log entries (Quay's name)."""
    return f"builds/{uuid}/logs"


def status_key(uuid: str) -> str:
    """Redis string with a build's progress (Quay's name)."""
    return f"builds/{uuid}/status"


def archive_path(uuid: str) -> str:
    """Where in storage the whole log is kept once the build has ended."""
    return f"logs/builds/{uuid}.jsonl.gz"


def read_logs(
    redis: Redis, job: Job, start: int, *, open_archive: Callable[[str], BinaryIO]
) -> tuple[int, list[Entry]]:
    """(how many entries there are, those from the one numbered `start`); Upstream if Redis does not answer.

    `open_archive` opens a path in storage. What it raises, or the stream while it is read, is the caller's to tell.
    """
    if job.logs_path is None:
        return _read_live(redis, job, start)
    with closing(open_archive(job.logs_path)) as packed, gzip.open(packed) as lines:
        return job.log_lines, _parse(islice(lines, start, None))


def log_lines(redis: Redis, job: Job, *, open_archive: Callable[[str], BinaryIO]) -> Iterator[bytes]:
    """Every entry there is now, as JSON, read while it is asked for.

    What there is to be read from is opened at once: what `open_archive` raises, or Upstream if Redis does not answer.
    """
    if job.logs_path is None:
        return iter(_first_live(redis, job.uuid))
    return archived_lines(open_archive(job.logs_path))


def archived_lines(packed: BinaryIO, start: int = 0) -> Iterator[bytes]:
    """The entries of an archived log, as JSON, from the one numbered `start` on."""
    with closing(packed), gzip.open(packed) as lines:
        yield from islice((line.rstrip(b"\n") for line in lines), start, None)


def as_text(entry: Entry) -> str:
    """An entry as a line of a text file."""
    message = str(entry.get("message", ""))
    if entry.get("type") == "phase":
        return f"[{(entry.get('data') or {}).get('datetime', '')}] {message}"
    return f"error: {message}" if entry.get("type") == "error" else message


def read_status(redis: Redis, uuids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The progress of the builds that tell any; none if Redis does not answer: it is not all there is to tell."""
    if not uuids:
        return {}
    try:
        values = cast("list[bytes | None]", redis.mget([status_key(uuid) for uuid in uuids]))
    except RedisError as exc:
        log.warning("the progress of builds is unknown, Redis does not answer: %s", exc)
        return {}
    return {uuid: json.loads(value) for uuid, value in zip(uuids, values, strict=True) if value}


def _read_live(redis: Redis, job: Job, start: int) -> tuple[int, list[Entry]]:
    try:
        total = redis.llen(logs_key(job.uuid))
        entries = _parse(_live_lines(redis, job.uuid, start))
    except RedisError as exc:
        raise Upstream(_AWAY) from exc
    return max(total, start + len(entries)) if entries else total, entries


def _first_live(redis: Redis, uuid: str) -> Iterator[bytes]:
    lines = _live_lines(redis, uuid, 0)
    try:
        first = next(lines, None)
    except RedisError as exc:
        raise Upstream(_AWAY) from exc
    return iter(()) if first is None else chain((first,), lines)


def _live_lines(redis: Redis, uuid: str, start: int) -> Iterator[bytes]:
    while page := cast("list[bytes]", redis.lrange(logs_key(uuid), start, start + _PAGE - 1)):
        yield from page
        start += len(page)


def _parse(lines: Iterable[bytes]) -> list[Entry]:
    entries: list[Entry] = []
    room = MOST_BYTES
    for line in islice(lines, MOST_ENTRIES):
        room -= len(line)
        if room < 0 and entries:
            break
        entries.append(json.loads(line))
    return entries
