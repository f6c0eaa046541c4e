"""The job that writes a part of the action log to a file in storage, as it reads it.

However long the log is, a page of it is in memory, and no transaction is open while storage is written.
"""

import json
import logging
import time
from collections.abc import Iterator
from datetime import timedelta

from buildworker.runtime import Runtime
from buildworker.stop import Stop
from models import jobs, log_exports
from models.jobs import Lease
from models.tables import LogExport
from storage.driver import State, StorageError

log = logging.getLogger(__name__)

PAGE = 2000
SIGN_OF_LIFE_S = 5.0
RETRY_AFTER = timedelta(seconds=30)
EXPIRED_AT_ONCE = 100


class _Stopped(Exception):
    """The worker is to stop, or the job is no longer its own."""


class _TookTooLong(Exception):
    """The export takes longer than it may."""


def run(runtime: Runtime, lease: Lease, stop: Stop) -> None:
    """Export, and tell whom it concerns. `stop` set: give the job back, without counting the attempt."""
    with runtime.database.read() as session:
        export = log_exports.find_export(session, lease.uuid)
    if export is None:
        with runtime.database.write() as session:
            jobs.finish(session, lease, "cancelled", error="The export was removed.")
        return
    try:
        size = _write(runtime, export, _Watch(runtime, lease, stop))
    except _Stopped:
        with runtime.database.write() as session:
            jobs.release(session, lease, refund=True)
    except _TookTooLong:
        limit = runtime.settings.EXPORT_ACTION_LOGS_MAXIMUM_SECONDS
        _fail(runtime, lease, "timedout", f"The export took longer than the {limit} seconds allowed.")
    except StorageError as exc:
        log.warning("export %s could not be written: %s", lease.uuid, exc)
        _retry(runtime, lease, "The export could not be written to storage.")
    except Exception:
        log.exception("export %s failed in a way that was not foreseen", lease.uuid)
        _retry(runtime, lease, "Something unexpected happened in the worker; its own log tells what.")
    else:
        with runtime.database.write() as session:
            if jobs.finish(session, lease, "success", phase="complete"):
                log_exports.conclude(session, runtime.settings, lease.uuid, "success", size=size)


def remove_expired(runtime: Runtime) -> None:
    """Remove the files whose time is over."""
    with runtime.database.read() as session:
        uuids = log_exports.expired(session, limit=EXPIRED_AT_ONCE)
    if uuids:
        runtime.storage.delete([log_exports.path_of(uuid) for uuid in uuids])
        with runtime.database.write() as session:
            log_exports.forget(session, uuids)


class _Watch:
    """Looks now and then whether the export may go on, and shows that the worker lives."""

    def __init__(self, runtime: Runtime, lease: Lease, stop: Stop) -> None:
        self._database = runtime.database
        self._lease = lease
        self._stop = stop
        self._next = 0.0
        self._deadline = time.monotonic() + runtime.settings.EXPORT_ACTION_LOGS_MAXIMUM_SECONDS

    def look(self) -> None:
        if self._stop.is_set():
            raise _Stopped
        if time.monotonic() > self._deadline:
            raise _TookTooLong
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + SIGN_OF_LIFE_S
            with self._database.write() as session:
                if not jobs.heartbeat(session, self._lease):
                    raise _Stopped


def _write(runtime: Runtime, export: LogExport, watch: _Watch) -> int:
    """Write the file; its size."""
    storage, counter = runtime.storage, _Counter()
    state: State = storage.begin(log_exports.path_of(export.uuid))
    try:
        state = storage.append(state, counter.count(_chunks(runtime, export, watch)))
        storage.commit(state)
    except BaseException:
        storage.abort(state)
        raise
    return counter.size


class _Counter:
    def __init__(self) -> None:
        self.size = 0

    def count(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.size += len(chunk)
            yield chunk


def _chunks(runtime: Runtime, export: LogExport, watch: _Watch) -> Iterator[bytes]:
    """The file, a page of the log at a time: one JSON document in Quay's form, an entry a line."""
    head = json.dumps({"export_id": export.uuid, "details": log_exports.details_of(export)})
    yield f'{head[:-1]}, "logs": [\n'.encode()
    after, more = 0, True
    while more:
        watch.look()
        with runtime.database.read() as session:
            entries, after = log_exports.entries_of(session, export, after=after, limit=PAGE)
        more = len(entries) == PAGE
        if entries:
            yield "".join(f"{json.dumps(entry)},\n" for entry in entries).encode()
    yield b'{"terminator": true}]}\n'


def _retry(runtime: Runtime, lease: Lease, error: str) -> None:
    if lease.is_last:
        _fail(runtime, lease, "failed", error)
        return
    with runtime.database.write() as session:
        jobs.release(session, lease, delay=RETRY_AFTER)


def _fail(runtime: Runtime, lease: Lease, status: log_exports.Status, error: str) -> None:
    with runtime.database.write() as session:
        if jobs.finish(session, lease, "error", error=error):
            log_exports.conclude(session, runtime.settings, lease.uuid, status, error=error)
