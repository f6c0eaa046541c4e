"""Unpacking a source archive that nobody vouches for: recognised by content, limited, kept inside its folder."""

import bz2
import errno
import gzip
import io
import lzma
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import zstandard

from buildworker.tree import Limits, Meter, Tree
from buildworker.untar import Stream, untar
from buildworker.unzip import unzip
from buildworker.watch import never
from models.errors import Invalid, Upstream

__all__ = ["Limits", "Unpacked", "unpack"]

# The window that a decompressor must keep: `xz -9` and `zstd --long` stay below it.
_MAX_WINDOW = 128 * 1024 * 1024
_BLOCK = 256 * 1024


@dataclass(frozen=True)
class Unpacked:
    """How many files (links among them) came out of an archive, and their bytes."""

    files: int
    bytes: int


def unpack(archive: Path, into: Path, limits: Limits, *, cancelled: Callable[[], bool] = never) -> Unpacked:
    """Unpack a tar (plain or compressed by gzip, bzip2, xz or zstd) or zip archive into the empty folder `into`.

    The folder tree is kept as it is, one folder around everything too (see `dockerfile.find_root`). Symbolic links stay
    if their target is inside, hard links become copies; of the modes the permissions stay, and owners do not. The last
    entry of a name wins. Raises `Invalid`, naming the entry, for what would lead out of the folder, for devices, for
    what is broken, encrypted or past a limit; `watch.Cancelled`; `Upstream` when this machine's disk is full. Then
    what was unpacked so far stays for the caller to remove.
    """
    meter = Meter(limits, cancelled)
    try:
        with archive.open("rb", buffering=0) as raw, Tree(into, meter) as tree:
            _unpack(raw, tree, meter)
            tree.finish()
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Upstream("the build worker has no disk space left to unpack the archive") from error
        raise
    if not meter.entries:
        raise Invalid("the archive is empty")
    return Unpacked(meter.files, meter.bytes)


def _unpack(raw: io.FileIO, tree: Tree, meter: Meter) -> None:
    start = raw.read(8)
    raw.seek(0)
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        unzip(raw, tree, meter.limits)
    else:
        with _Polled(raw, meter) as file:
            untar(_decompressed(start, file), tree, meter)


def _decompressed(start: bytes, file: "_Polled") -> Stream:
    if start.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=file)
    if start.startswith(b"BZh"):
        return bz2.BZ2File(file)
    if start.startswith(b"\xfd7zXZ\x00"):
        return _Xz(file)
    if start.startswith(b"\x28\xb5\x2f\xfd"):
        reader = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW)
        return reader.stream_reader(file, read_across_frames=True)
    return file


class _Polled(io.BufferedReader):
    """The archive's file; each read notices a cancel and the end of the time, whatever reads it and why."""

    def __init__(self, raw: io.FileIO, meter: Meter) -> None:
        super().__init__(raw, _BLOCK)
        self._meter = meter

    def read(self, size: int | None = -1, /) -> bytes:
        self._meter.check()
        return super().read(size)


class _Xz:
    """An xz file, decompressed within a limit of memory, which `lzma.LZMAFile` has not."""

    def __init__(self, file: io.BufferedReader) -> None:
        self._file = file
        self._decoder = self._new()

    def read(self, size: int, /) -> bytes:
        while True:
            if self._decoder.eof:
                following = self._decoder.unused_data.lstrip(b"\0") or self._file.read(_BLOCK).lstrip(b"\0")
                if not following:
                    return b""
                self._decoder = self._new()
            else:
                following = self._file.read(_BLOCK) if self._decoder.needs_input else b""
                if self._decoder.needs_input and not following:
                    raise EOFError("incomplete")
            if data := self._decoder.decompress(following, size):
                return data

    def _new(self) -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_MAX_WINDOW)
