"""A store that lives in this process, for unit tests: the whole protocol, nothing left behind."""

import io
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from storage.driver import NotFound, Stat, State, UploadBusy, UploadLost
from storage.paths import checked, checked_folder


class MemoryStorage:
    """Objects and uploads in dictionaries; any number of threads may use it."""

    is_local = True
    least_chunk = 0

    def __init__(self) -> None:
        self._objects: dict[str, tuple[bytes, Stat]] = {}
        self._uploads: dict[str, bytearray] = {}
        self._changed: dict[str, float] = {}
        self._busy: set[str] = set()
        self._lock = threading.Lock()

    def read(self, path: str) -> bytes:
        return self._object(path)[0]

    def open(self, path: str, *, start: int = 0, stop: int | None = None) -> BinaryIO:
        return io.BytesIO(self._object(path)[0][start:stop])

    def write(self, path: str, data: bytes) -> None:
        with self._lock:
            self._objects[checked(path)] = (bytes(data), Stat(len(data), time.time()))

    def stat(self, path: str) -> Stat:
        return self._object(path)[1]

    def delete(self, paths: Iterable[str]) -> None:
        for path in paths:
            with self._lock:
                self._objects.pop(checked(path), None)

    def list(self, prefix: str) -> Iterator[tuple[str, Stat]]:
        folder = checked_folder(prefix) and f"{prefix}/"
        with self._lock:
            found = [(path, stat) for path, (_, stat) in self._objects.items() if path.startswith(folder)]
        yield from found

    def url(
        self, path: str, *, expires_s: int, filename: str | None = None, content_type: str | None = None
    ) -> str | None:
        return None

    def begin(self, path: str) -> State:
        state: State = {"path": checked(path), "upload": uuid.uuid4().hex, "size": 0}
        with self._lock:
            self._uploads[state["upload"]] = bytearray()
            self._changed[state["upload"]] = time.time()
        return state

    def append(self, state: State, chunks: Iterable[bytes]) -> State:
        upload = state["upload"]
        received = self._claim(state)
        try:
            for chunk in chunks:
                received += chunk
        finally:
            with self._lock:
                self._busy.discard(upload)
                self._changed[upload] = time.time()
        return state | {"size": len(received)}

    def commit(self, state: State) -> None:
        with self._lock:
            received = self._uploads.get(state["upload"])
            if received is None:
                self._expect_published(state)
                return
            if state["upload"] in self._busy:
                raise UploadBusy(f"another request is appending to the upload to {state['path']}")
            _rewind(received, state)
            self._objects[state["path"]] = (bytes(received), Stat(len(received), time.time()))
            self._drop(state["upload"])

    def abort(self, state: State) -> None:
        with self._lock:
            self._drop(state["upload"])

    def sweep(self, *, older_than_s: float, known: Iterable[State]) -> int:
        spared, before = {state["upload"] for state in known} | self._busy, time.time() - older_than_s
        with self._lock:
            left = [upload for upload, at in self._changed.items() if at < before and upload not in spared]
            for upload in left:
                self._drop(upload)
        return len(left)

    def ping(self) -> None:
        """Always well."""

    def _drop(self, upload: str) -> None:
        self._uploads.pop(upload, None)
        self._changed.pop(upload, None)

    def _object(self, path: str) -> tuple[bytes, Stat]:
        with self._lock:
            try:
                return self._objects[checked(path)]
            except KeyError as exc:
                raise NotFound(path) from exc

    def _claim(self, state: State) -> bytearray:
        """The upload's bytes up to where the state says, for one appender at a time."""
        upload = state["upload"]
        with self._lock:
            if upload in self._busy:
                raise UploadBusy(f"another request is appending to the upload to {state['path']}")
            if upload not in self._uploads:
                raise UploadLost(f"the upload to {state['path']} is gone")
            _rewind(self._uploads[upload], state)
            self._busy.add(upload)
            return self._uploads[upload]

    def _expect_published(self, state: State) -> None:
        _, stat = self._objects.get(state["path"], (b"", None))
        if stat is None or stat.size != state["size"]:
            raise UploadLost(f"the upload to {state['path']} is gone")


def _rewind(received: bytearray, state: State) -> None:
    if len(received) < state["size"]:
        raise UploadLost(f"the upload to {state['path']} has {len(received)} bytes, {state['size']} were acknowledged")
    del received[state["size"] :]
