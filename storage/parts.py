"""How an upload of unknown length is cut into the parts of an S3 multipart upload.

S3 takes 10,000 parts, each of 5 MiB to 5 GiB but for the last, which may be smaller. Parts begin at
16 MiB and grow by 16 MiB every 500, so that small layers cost little memory and large ones still fit:
500 · 16 MiB · (1 + 2 + … + 20) = 1,680,000 MiB, about 1.6 TiB, the last parts being of 320 MiB.

A request may end in the middle of a part. What it leaves is sent as a part of its own if it has the
5 MiB, but only among the first 5,000 numbers: the full parts of the other 5,000 hold 1,240,000 MiB,
so that 1 TiB fits however a client slices it.
"""

import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import IO

from storage.driver import StorageError, failed

MIB = 1 << 20
SMALLEST = 5 * MIB
STEP = 16 * MIB
PARTS_PER_STEP = 500
MOST_PARTS = 10_000
SHORT_PARTS = 5_000
MOST_IN_MEMORY = 32
"""Parts of this process, half a GiB; some hundred clients may be sending one at the same time."""
_in_memory = threading.BoundedSemaphore(MOST_IN_MEMORY)


def part_size(number: int) -> int:
    """Bytes of the part `number`, counted from 1; StorageError beyond the 10,000 that S3 takes."""
    if number > MOST_PARTS:
        raise StorageError("the upload is larger than the 1.6 TiB that an S3 multipart upload of ours can hold")
    return STEP * (1 + (number - 1) // PARTS_PER_STEP)


class Part:
    """The bytes of part `number`: in memory if it is of 16 MiB and few others are, else in a file without a name."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.size = 0
        self._capacity = part_size(number)
        self._memory = bytearray()
        self._has_room = self._capacity == STEP and _in_memory.acquire(blocking=False)
        self._file = None if self._has_room else _new_file()

    def take(self, data: memoryview) -> memoryview:
        """Add what fits; the rest."""
        fits = data[: self._capacity - self.size]
        if self._file:
            with _told():
                self._file.write(fits)
        else:
            self._memory += fits
        self.size += len(fits)
        return data[len(fits) :]

    @property
    def full(self) -> bool:
        return self.size == self._capacity

    @property
    def stands_alone(self) -> bool:
        """Whether it may be sent although more parts will follow."""
        return self.full or (self.size >= SMALLEST and self.number <= SHORT_PARTS)

    @property
    def body(self) -> bytearray | IO[bytes]:
        if self._file:
            self._file.seek(0)
        return self._file or self._memory

    def close(self) -> None:
        """Give the memory or the file back."""
        self._memory = bytearray()
        if self._has_room:
            self._has_room = False
            _in_memory.release()
        if self._file:
            self._file.close()

    def __enter__(self) -> "Part":
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _new_file() -> IO[bytes]:
    with _told():
        return tempfile.TemporaryFile()


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise failed(f"the folder for temporary files, {tempfile.gettempdir()}, does not take a part", exc) from exc


def split(chunks: Iterable[bytes], first: int) -> Iterator[Part]:
    """The bytes as parts numbered from `first`, all full but the last. Whoever is given a part closes it."""
    number, part = first, None
    try:
        for chunk in chunks:
            left = memoryview(chunk)
            while left:
                part = part or Part(number)
                left = part.take(left)
                if part.full:
                    given, part, number = part, None, number + 1
                    yield given
        if part:
            given, part = part, None
            yield given
    finally:
        if part:
            part.close()
