"""What a storage driver does, and what can go wrong.

Drivers know paths, never digests or repositories: which blob lies where is a row in the
database. A path is relative, `/`-separated, made by our own code, never by a caller.

Nothing is visible at a path before it is complete: `write` and `commit` publish atomically,
and whatever they acknowledged survives a crash of the process or the host.
"""

import errno
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

State = dict[str, Any]
"""What a driver must remember of an upload between requests; JSON, opaque to callers, kept in the upload's row."""


class StorageError(Exception):
    """The store did not do what was asked; the cause is chained."""


class StorageFull(StorageError):
    """There is no room left in the store."""


class NotFound(StorageError):
    """There is nothing at the path."""

    def __init__(self, path: str) -> None:
        super().__init__(f"nothing at {path}")
        self.path = path


class UploadLost(StorageError):
    """The bytes of an upload are gone or not as its state says; the client must start again."""


class UploadBusy(StorageError):
    """Another request is appending to the same upload right now."""


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def failed(what: str, exc: OSError) -> StorageError:
    """The StorageError that tells of what a file system did not do."""
    kind = StorageFull if exc.errno in _NO_ROOM else StorageError
    return kind(f"{what}: {exc.strerror or exc}")


@dataclass(frozen=True)
class Stat:
    """What is known of an object without reading it: `size` in bytes, `modified` as a Unix time in seconds."""

    size: int
    modified: float


class StorageDriver(Protocol):
    """Where bytes are kept. Every method may raise StorageError."""

    is_local: bool
    """Whether reading takes no other machine's time."""
    least_chunk: int
    """Bytes that each request of an upload but the last should bring, for smaller ones cost more; 0: any number."""

    def read(self, path: str) -> bytes:
        """The whole object, for small ones (logs, archives); NotFound."""
        ...

    def open(self, path: str, *, start: int = 0, stop: int | None = None) -> BinaryIO:
        """A readable, closable stream of the bytes [start, stop); to the end if `stop` is None; NotFound.

        On the local driver it is a real file (has `fileno`), so that a server may use sendfile.
        """
        ...

    def write(self, path: str, data: bytes) -> None:
        """Publish `data` at `path`, atomically replacing what was there."""
        ...

    def stat(self, path: str) -> Stat:
        """Size and time of change; NotFound."""
        ...

    def delete(self, paths: Iterable[str]) -> None:
        """Remove the objects; those that do not exist count as removed. Batched where the store can."""
        ...

    def list(self, prefix: str) -> Iterator[tuple[str, Stat]]:
        """Every published object below the folder `prefix`, in no promised order, lazily."""
        ...

    def url(
        self, path: str, *, expires_s: int, filename: str | None = None, content_type: str | None = None
    ) -> str | None:
        """A URL from which a client may fetch the object itself for `expires_s` seconds, or None if it cannot."""
        ...

    def begin(self, path: str) -> State:
        """Start an upload that will be published at `path`; nothing is visible there until `commit`."""
        ...

    def append(self, state: State, chunks: Iterable[bytes]) -> State:
        """Add bytes to an upload, holding no more than a bounded part of them in memory; the state to keep from now on.

        Bytes received after the given state was kept (by a request that died) are discarded. If `chunks` raises, what
        had arrived up to there may be discarded, and the old state stays valid. UploadLost, UploadBusy.
        """
        ...

    def commit(self, state: State) -> None:
        """Publish the upload at its path, durably; UploadLost. Repeating it after a crash is harmless."""
        ...

    def abort(self, state: State) -> None:
        """Forget the upload and its bytes; repeating it is harmless. Does not touch a committed object."""
        ...

    def sweep(self, *, older_than_s: float, known: Iterable[State]) -> int:
        """Remove what uploads left behind that crashed before their state was kept; how many pieces.

        Left alone is what belongs to a `known` state, and what was begun or added to within `older_than_s` seconds: so
        the states may be read before this is called.
        """
        ...

    def ping(self) -> None:
        """Raise StorageError unless the store answers and can be written to."""
        ...
