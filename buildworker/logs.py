"""Writing what a build tells: into a file here, which a thread copies to Redis as it grows, and in the end to storage.

The file is the truth. Redis may go away and come back empty: the copy is made again, and the build never waits for it.
"""

import gzip
import io
import json
import logging
import os
import shutil
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

from redis import Redis
from redis.exceptions import RedisError

from buildworker.masking import Masker
from config.units import format_size
from models.buildlogs import logs_key, status_key

log = logging.getLogger(__name__)

COPY_EVERY_S = 0.2
KEPT_LIVE_S = 7 * 24 * 3600
"""How long Redis keeps a log that was not archived."""
KEPT_ARCHIVED_S = 600
"""How long Redis keeps a log after it was archived: for readers who are in the middle of it."""
LONGEST_MESSAGE = 16 * 1024
_RETRY_S = 2.0
_PAGE = 1000
_BATCH_BYTES = 512 * 1024


class BuildLog:
    """The log of one build. `secrets` never appear in it; `max_bytes` is the most that is kept of its output.

    Writing and `progress` may be called from any thread.
    """

    def __init__(self, redis: Redis, uuid: str, file: Path, *, max_bytes: int, secrets: Sequence[str] = ()) -> None:
        self.lines = 0
        self._uuid = uuid
        self.status: dict[str, Any] = {}
        self._file = file.open("a+b", buffering=0)
        self._broken = False
        self._lock = threading.Lock()
        self._room = max_bytes
        self._full = False
        self._max_bytes = max_bytes
        self._masker = Masker()
        self._copy = _LiveCopy(redis, uuid, file)
        self._copy.status = json.dumps(self.status)  # in place of an earlier attempt's
        self.hide(*secrets)
        self._resume()
        self._copy.start()

    def hide(self, *secrets: str) -> None:
        """Never write these texts, in any form that `masking.forms` knows."""
        self._masker.add(*secrets)

    def phase(self, name: str, **data: Any) -> None:
        """The build enters a phase (or is tried again)."""
        when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
        self._write(name, "phase", {"datetime": when, **data})

    def command(self, text: str) -> None:
        """The build begins a step of the Dockerfile."""
        self._write(text, "command")

    def error(self, text: str) -> None:
        """Why the build failed, and what to do."""
        self._write(text, "error")

    def output(self, line: str) -> None:
        """A line that the engine or a step printed."""
        self._write(line, None)

    def progress(self, **values: Any) -> None:
        """Change the build's status: Quay's keys total_commands, current_command, pull_completion, push_completion."""
        if any(self.status.get(key) != value for key, value in values.items()):
            self.status = {**self.status, **values}
            self._copy.status = json.dumps(self.status)

    def flush(self) -> None:
        """Copy everything to Redis now, if it answers."""
        self._copy.copy()

    def packed(self) -> bytes:
        """The whole log as it is archived: gzipped JSON lines."""
        packed = io.BytesIO()
        with self._lock, gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as archive:
            self._file.seek(0)
            shutil.copyfileobj(self._file, archive)
        return packed.getvalue()

    def close(self, *, archived: bool) -> None:
        """Stop copying. `archived`: Redis need not keep the log for long."""
        self._copy.stop(KEPT_ARCHIVED_S if archived else KEPT_LIVE_S)
        self._file.close()

    def abandon(self) -> None:
        """Stop without touching Redis again: somebody else writes this log now."""
        self._copy.stop(None)
        self._file.close()

    def _resume(self) -> None:
        for line in self._copy.existing():
            self._room -= len(line) + 1
            self._keep(line + b"\n")
        self._copy.skip(self.lines)

    def _write(self, message: str, kind: str | None, data: dict[str, Any] | None = None) -> None:
        entry: dict[str, Any] = {"message": _shortened(self._masker.masked(message))}
        if kind is not None:
            entry["type"] = kind
        if data is not None:
            entry["data"] = data
        with self._lock:
            self._append(entry, always=kind is not None)

    def _append(self, entry: dict[str, Any], *, always: bool) -> None:
        line = json.dumps(entry, ensure_ascii=False).encode(errors="replace") + b"\n"
        if not always and (self._full or len(line) > self._room):
            if self._full:
                return
            self._full = True
            limit = format_size(self._max_bytes)
            note = f"The log has reached its limit of {limit} bytes (BUILD_MAX_LOG_BYTES); further output is not kept."
            line = json.dumps({"message": note}).encode() + b"\n"
        self._room -= len(line)
        self._keep(line)
        self._copy.changed.set()

    def _keep(self, line: bytes) -> None:
        """Append a line, whole or, when the disk is full, not at all: the build has to go on to its end."""
        end = self._file.seek(0, os.SEEK_END)
        try:
            left = memoryview(line)
            while left:
                left = left[self._file.write(left) :]
        except OSError as exc:
            self._file.truncate(end)
            if not self._broken:
                log.warning("the log of build %s has gaps, lines cannot be written: %s", self._uuid, exc)
            self._broken = True
        else:
            self.lines += 1


class _LiveCopy:
    """Keeps the list in Redis equal to the file's lines, from a thread of its own."""

    def __init__(self, redis: Redis, uuid: str, file: Path) -> None:
        self.changed = threading.Event()
        self.status: str | None = None
        self._redis = redis
        self._uuid = uuid
        self._path = file
        self._offset = 0
        self._sent = 0
        self._silent = False
        self._status_sent: str | None = None
        self._stop = threading.Event()
        self._busy = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="build log", daemon=True)

    def existing(self) -> list[bytes]:
        """The lines of earlier attempts."""
        try:
            return cast("list[bytes]", self._redis.lrange(logs_key(self._uuid), 0, -1))
        except RedisError as exc:
            self._complain(exc)
            return []

    def skip(self, lines: int) -> None:
        """Count what the file holds now as copied."""
        self._sent = lines
        self._offset = self._path.stat().st_size

    def start(self) -> None:
        self._thread.start()

    def stop(self, keep_s: int | None) -> None:
        """Stop copying, and let the list expire in `keep_s` seconds if given."""
        self._stop.set()
        self.changed.set()
        self._thread.join()
        if keep_s is not None:
            self.copy(keep_s)

    def copy(self, keep_s: int = KEPT_LIVE_S) -> bool:
        """Bring Redis up to date; false if it does not answer."""
        with self._busy:
            try:
                while self._copy_batch(keep_s):
                    pass
                self._copy_status(keep_s)
            except RedisError as exc:
                self._complain(exc)
                return False
        self._silent = False
        return True

    def _run(self) -> None:
        while not self._stop.is_set():
            self.changed.wait(timeout=1)
            self.changed.clear()
            pause = COPY_EVERY_S if self._stop.is_set() or self.copy() else _RETRY_S
            self._stop.wait(pause)

    def _copy_batch(self, keep_s: int) -> bool:
        """Append the next lines; true if there may be more."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            lines = _whole_lines(file)
        key = logs_key(self._uuid)
        with self._redis.pipeline(transaction=True) as pipe:
            if self._sent == 0:
                pipe.delete(key)
            if lines:
                pipe.rpush(key, *(line.rstrip(b"\n") for line in lines))
            pipe.llen(key)
            pipe.expire(key, keep_s)
            length = pipe.execute()[-2]
        if length != self._sent + len(lines):  # Redis lost it, or another wrote to it: the file has it all
            self._sent = self._offset = 0
            return True
        self._sent += len(lines)
        self._offset += sum(map(len, lines))
        return bool(lines)

    def _copy_status(self, keep_s: int) -> None:
        status = self.status
        if status is not None and (status != self._status_sent or keep_s != KEPT_LIVE_S):
            self._redis.set(status_key(self._uuid), status, ex=keep_s)
            self._status_sent = status

    def _complain(self, exc: RedisError) -> None:
        if not self._silent:
            log.warning("the live log of build %s stands still, Redis does not answer: %s", self._uuid, exc)
        self._silent = True


def pack_live_log(redis: Redis, uuid: str) -> tuple[int, bytes]:
    """(number of entries, the log as it is archived) of a build whose worker did not get to it; RedisError."""
    packed = io.BytesIO()
    total = 0
    with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as archive:
        while page := cast("list[bytes]", redis.lrange(logs_key(uuid), total, total + _PAGE - 1)):
            archive.writelines(line + b"\n" for line in page)
            total += len(page)
    return total, packed.getvalue()


def append_end(redis: Redis, uuid: str, phase: str, error: str | None) -> None:
    """End the log of a build that has no worker any more; RedisError."""
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
    entries: list[dict[str, Any]] = [{"message": error, "type": "error"}] if error else []
    entries.append({"message": phase, "type": "phase", "data": {"datetime": when}})
    with redis.pipeline() as pipe:
        pipe.rpush(logs_key(uuid), *map(json.dumps, entries))
        pipe.expire(logs_key(uuid), KEPT_LIVE_S)
        pipe.execute()


def _whole_lines(file: BinaryIO) -> list[bytes]:
    return [line for line in file.readlines(_BATCH_BYTES) if line.endswith(b"\n")]


def _shortened(message: str) -> str:
    if len(message) <= LONGEST_MESSAGE:
        return message
    return f"{message[:LONGEST_MESSAGE]}… ({len(message) - LONGEST_MESSAGE} characters more)"
