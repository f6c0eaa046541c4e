"""Fetching a source archive into a file, within limits of size and time."""

import errno
import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from buildworker.exchange import Response
from buildworker.outbound import Outbound
from buildworker.watch import never, watched
from models.errors import Upstream

_TIMEOUT_S = 30.0
# Compressed forms that `archive.unpack` reads as they are: some servers declare a .tar.gz this way.
_STORED_ENCODINGS = {"", "identity", "gzip", "x-gzip", "zstd"}


@dataclass(frozen=True)
class Downloaded:
    """A file that arrived whole."""

    path: Path
    size: int
    sha256: str


def download(
    outbound: Outbound,
    url: str,
    into: Path,
    *,
    max_bytes: int,
    max_seconds: float,
    subject: str = "archive_url",
    cancelled: Callable[[], bool] = never,
) -> Downloaded:
    """Write what `url` answers to the file `into`, which is replaced, and removed again when anything fails.

    `subject` begins messages. Raises `Invalid` (an address not allowed, a file too large), `Upstream` (everything that
    the other side does wrong, too slow a transfer among it) and `watch.Cancelled`.
    """
    fetch = _Fetch(outbound, url, subject, max_bytes, time.monotonic() + max_seconds)
    digest = hashlib.sha256()
    size = 0
    try:
        blocks = watched(fetch.blocks, cancelled=cancelled, abort=fetch.abort)
        with into.open("wb") as file, closing(blocks):
            for block in blocks:
                digest.update(block)
                size += len(block)
                file.write(block)
    except BaseException as error:
        into.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Upstream(f"{subject}: the build worker has no disk space left for the file") from error
        raise
    return Downloaded(into, size, digest.hexdigest())


class _Fetch:
    """The transfer, as far as two threads share it."""

    def __init__(self, outbound: Outbound, url: str, subject: str, max_bytes: int, deadline: float) -> None:
        self._outbound = outbound
        self._url = url
        self._subject = subject
        self._max_bytes = max_bytes
        self._deadline = deadline
        self._response: Response | None = None

    def blocks(self) -> Iterator[bytes]:
        with self._outbound.get(
            self._url,
            max_bytes=self._max_bytes,
            timeout_s=_TIMEOUT_S,
            deadline=self._deadline,
            subject=self._subject,
        ) as response:
            self._response = response
            self._judge(response)
            yield from response.blocks()

    def abort(self) -> None:
        if self._response is not None:
            self._response.abort()

    def _judge(self, response: Response) -> None:
        if not 200 <= response.status < 300:
            raise Upstream(f"{self._subject}: the server answered with status {response.status}")
        encoding = response.headers.get("Content-Encoding", "").strip().lower()
        if encoding not in _STORED_ENCODINGS:
            raise Upstream(
                f"{self._subject}: the server compressed the file with {encoding[:40]!r}, which was not asked for"
            )
