"""Bytes for storage tests: recognizable, in pieces, and as many as wanted without keeping them."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import cycle, islice

from storage.driver import NotFound, StorageDriver

MIB = 1 << 20
_PATTERN = hashlib.shake_256(b"storage").digest(MIB + 7)


def content(size: int, seed: int = 0) -> bytes:
    """Bytes that differ from place to place, so that nothing can be exchanged or repeated unseen."""
    start = seed * 1009 % len(_PATTERN)
    return (_PATTERN[start:] + _PATTERN * (size // len(_PATTERN) + 1))[:size]


def pieces(data: bytes, sizes: Iterable[int]) -> Iterator[bytes]:
    at = 0
    for size in sizes:
        if at >= len(data):
            return
        yield data[at : at + size]
        at += size


def zeros(size: int, chunk: int = 65_536) -> Iterator[bytes]:
    """`size` bytes in chunks that take no memory of their own."""
    whole, rest = divmod(size, chunk)
    block = bytes(chunk)
    yield from islice(cycle([block]), whole)
    yield block[:rest]


def is_there(storage: StorageDriver, path: str) -> bool:
    with suppress(NotFound):
        storage.stat(path)
        return True
    return False


def digest_of(storage: StorageDriver, path: str) -> bytes:
    digest = hashlib.sha256()
    with storage.open(path) as stream:
        while block := stream.read(MIB):
            digest.update(block)
    return digest.digest()
