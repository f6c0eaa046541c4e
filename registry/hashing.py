"""Hashing beside receiving: for large blobs a second core computes the digest while the first moves the bytes."""

import hashlib
import queue
import threading
from typing import Any

ALONE = 4 << 20
"""Bytes from which on a thread of its own pays."""
AHEAD = 8
"""Blocks that may wait for the thread; with blocks of 1 MiB it bounds the memory."""


class Hasher:
    """A digest of what passes. Call `close` when it is no longer needed, however it went."""

    def __init__(self, algorithm: str) -> None:
        self._hash: Any = hashlib.new(algorithm)
        self._seen = 0
        self._waiting: queue.Queue[bytes | None] | None = None
        self._thread: threading.Thread | None = None

    def update(self, data: bytes) -> None:
        """Take the next bytes, which must not be changed afterwards."""
        self._seen += len(data)
        if self._waiting is None and self._seen <= ALONE:
            self._hash.update(data)
            return
        if self._waiting is None:
            self._waiting = queue.Queue(AHEAD)
            self._thread = threading.Thread(target=self._work, args=(self._waiting,), name="hash", daemon=True)
            self._thread.start()
        self._waiting.put(data)

    def hexdigest(self) -> str:
        """Of everything taken; nothing may be taken afterwards."""
        self.close()
        return str(self._hash.hexdigest())

    def close(self) -> None:
        """Wait for the thread to finish."""
        if self._thread is not None and self._waiting is not None:
            self._waiting.put(None)
            self._thread.join()
            self._thread = None

    def _work(self, waiting: "queue.Queue[bytes | None]") -> None:
        while (data := waiting.get()) is not None:
            self._hash.update(data)
