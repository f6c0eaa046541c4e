"""Follow and fetch the logs of repository builds: as server-sent events while a build runs, and as a text file.

A stream has one of the threads that wait for slow clients, and none of those that work (`cli.slots`), since its body is
made after the operation. There are only so many streams in a process, so that enough of those threads are left.
"""

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

from flask import Response, current_app, request

from api.endpoint import Section, operation
from api.rules import repo_read
from api.v1.builds import BuildsResource, LogsQuery
from models import buildlogs
from models.errors import Invalid, TooMany, Upstream
from models.log_feed import LogFeed, News
from models.tables import Repository
from storage.driver import StorageError

section = Section("build", None, needs=["FEATURE_BUILD_SUPPORT"])

MOST_STREAMS = 128
MOST_OF_ONE = 64
"""Streams of a process, and those of one caller among them."""
KEEP_ALIVE_S = 15.0
LONGEST_STREAM_S = 900.0
"""Afterwards the client comes again, and whether it still may is looked at anew."""
RETRY_AFTER_S = 5
_EVENT_ID = re.compile(r"([0-9]{1,15})(-end)?", re.ASCII)


class Streams:
    """How many streams each caller has in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: Counter[str] = Counter()

    def enter(self, caller: str) -> ExitStack:
        """A place for one more, to be closed; TooMany."""
        with self._lock:
            if self._held.total() >= MOST_STREAMS or self._held[caller] >= MOST_OF_ONE:
                raise TooMany(
                    "So many logs are followed already; ask for them without stream", retry_after=RETRY_AFTER_S
                )
            self._held[caller] += 1
        place = ExitStack()
        place.callback(self._leave, caller)
        return place

    def _leave(self, caller: str) -> None:
        with self._lock:
            self._held[caller] -= 1
            self._held += Counter()  # forget those who have none


@section.at("/repository/<repopath:repository>/build/<build_uuid>/logs/stream")
class BuildLogStream(BuildsResource):
    @operation("streamRepoBuildLogs", allow=repo_read, for_pages=True, produces="text/event-stream")
    def get(self, repository: Repository, build_uuid: str, query: LogsQuery) -> Response:
        """Follow the build's log as server-sent events.

        Each entry is an event, whose data is the entry's JSON and whose id may be sent as Last-Event-ID to go on after
        it. The event `end` is the last one, with the build's phase; whoever comes again after that is answered 204.
        """
        build = self.readable(repository, build_uuid)
        start, over = _last_event(query.start)
        if over:
            return Response(status=204)
        caller = f"{self.caller.kind} {self.caller.name or self.caller.repository_id or self.caller.ip}"
        streams: Streams = current_app.extensions.setdefault("drydock.streams", Streams())
        place = streams.enter(caller)
        services = self.services
        until = time.monotonic() + LONGEST_STREAM_S
        feed = LogFeed(services.redis, services.database, build.uuid, open_archive=services.storage.open, until=until)
        response = Response(_holding(place, events(feed.news(start))), mimetype="text/event-stream")
        response.call_on_close(place.close)  # also if nothing of it was read
        response.headers["X-Accel-Buffering"] = "no"  # proxies shall pass on what comes at once
        return response


@section.at("/repository/<repopath:repository>/build/<build_uuid>/logs/download")
class BuildLogDownload(BuildsResource):
    @operation("downloadRepoBuildLogs", allow=repo_read, for_pages=True, produces="text/plain")
    def get(self, repository: Repository, build_uuid: str) -> Response:
        """Fetch the build's log, as far as there is one, as a text file."""
        build = self.readable(repository, build_uuid)
        services = self.services
        try:
            lines = buildlogs.log_lines(services.redis, build.job, open_archive=services.storage.open)
        except StorageError as exc:
            raise Upstream("The build's archived log cannot be read from storage now; try again soon") from exc
        text = (f"{buildlogs.as_text(json.loads(line))}\n" for line in lines)
        response = Response(text, mimetype="text/plain")
        response.headers["Content-Disposition"] = f'attachment; filename="{build.uuid}.log"'
        return response


def _holding(place: ExitStack, blocks: Iterator[bytes]) -> Iterator[bytes]:
    with place:
        yield from blocks


def events(news: Iterator[News]) -> Iterator[bytes]:
    """What comes, as an event stream. A comment now and then shows that the connection lives."""
    yield b"retry: 1000\n\n"
    spoken = time.monotonic()
    for each in news:
        told = [b"id: %d\ndata: %s\n\n" % (number, line) for number, line in enumerate(each.lines, each.start + 1)]
        if each.end:
            total = each.start + len(each.lines)
            told.append(b"id: %d-end\nevent: end\ndata: %s\n\n" % (total, _end(each.end, total)))
        if not told and time.monotonic() - spoken >= KEEP_ALIVE_S:
            told.append(b": keep-alive\n\n")
        if told:
            spoken = time.monotonic()
            yield b"".join(told)


def _end(phase: str, total: int) -> bytes:
    return json.dumps({"phase": phase, "total": total}).encode()


def _last_event(start: int) -> tuple[int, bool]:
    """(the number of the first entry to send, whether the client has seen the end)."""
    given = request.headers.get("Last-Event-ID")
    if given is None:
        return start, False
    found = _EVENT_ID.fullmatch(given)
    if found is None:
        raise Invalid("Last-Event-ID: expected the id of an event of this stream")
    return int(found[1]), found[2] is not None
