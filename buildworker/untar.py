"""Unpacking a tar stream, whose headers lie whenever it suits them."""

import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from lzma import LZMAError
from typing import Any, Protocol, cast

from zstandard import ZstdError

from buildworker.tree import Meter, Tree, shown
from models.errors import Invalid

# What may precede one entry: long names and extended attributes. Unbounded, it would all be held in memory.
_MAX_HEADERS = 64 * 1024
_MAX_TRAILER = 1024 * 1024
_BLOCK = 256 * 1024
_NO_ARCHIVE = "the file is not an archive that can be read: expected tar, tar.gz, tar.bz2, tar.xz, tar.zst or zip"


class Stream(Protocol):
    """Bytes in order, such as a file that is decompressed on the fly."""

    def read(self, size: int, /) -> bytes: ...


def untar(stream: Stream, tree: Tree, meter: Meter) -> None:
    """Unpack the tar archive in `stream` into `tree`; `Invalid` names the entry that cannot be unpacked."""
    forward = _Forward(stream, meter)
    for entry, tar in _entries(forward):
        if tar.pax_headers and sum(map(len, tar.pax_headers.values())) > _MAX_HEADERS:
            raise Invalid("the archive's global headers are too large")
        _add(entry, tar, tree)
    forward.end()


def _entries(forward: "_Forward") -> Iterator[tuple[tarfile.TarInfo, tarfile.TarFile]]:
    with forward.headers():
        tar = tarfile.TarFile(fileobj=cast(Any, forward), mode="r", encoding="utf-8", errors="surrogateescape")
    while True:
        with forward.headers():
            entry = tar.next()
        if entry is None:
            return
        yield entry, tar
        cast(Any, tar).members.clear()  # or every header stays in memory


def _add(entry: tarfile.TarInfo, tar: tarfile.TarFile, tree: Tree) -> None:
    if entry.isdir():
        tree.add_folder(entry.name, entry.mode, entry.mtime)
    elif entry.isreg():
        tree.add_file(entry.name, entry.mode, entry.mtime, _content(entry, tar))
    elif entry.issym():
        tree.add_symlink(entry.name, entry.linkname, entry.mtime)
    elif entry.islnk():
        tree.add_copy(entry.name, entry.linkname, entry.mode, entry.mtime)
    else:
        kinds = {tarfile.CHRTYPE: "a device", tarfile.BLKTYPE: "a device", tarfile.FIFOTYPE: "a named pipe"}
        kind = kinds.get(entry.type, "of an unknown type")
        raise Invalid(f"the archive's entry {shown(entry.name)} is {kind}; leave it out of the archive")


def _content(entry: tarfile.TarInfo, tar: tarfile.TarFile) -> Iterator[bytes]:
    broken = Invalid(f"the archive's entry {shown(entry.name)} is broken or incomplete")
    if entry.size < 0 or not _sparse_map_is_sound(entry):
        raise broken
    try:
        file = tar.extractfile(entry)
        while file is not None and (block := file.read(_BLOCK)):
            yield block
    except (tarfile.TarError, ValueError) as error:
        raise broken from error


def _sparse_map_is_sound(entry: tarfile.TarInfo) -> bool:
    end = 0
    for offset, size in cast(Any, entry).sparse or ():
        if size and (offset < end or size < 0):
            return False
        end = offset + size if size else end  # GNU tar fills the map up with empty regions
    return end <= entry.size


class _Forward:
    """What tarfile reads from: it goes forward only, and reads no more for headers than they may need."""

    def __init__(self, stream: Stream, meter: Meter) -> None:
        self._stream = stream
        self._meter = meter
        self._position = 0
        self._allowance: int | None = None
        self._last = b""

    @contextmanager
    def headers(self) -> Iterator[None]:
        """While tarfile reads the headers of one entry."""
        self._allowance = _MAX_HEADERS
        try:
            yield
        except (tarfile.TarError, ValueError, OverflowError, IndexError, KeyError, TypeError, RecursionError) as error:
            message = "the archive is broken in the middle" if self._position > _BLOCK else _NO_ARCHIVE
            raise Invalid(message) from error
        finally:
            self._allowance = None

    def end(self) -> None:
        """After the last entry: what was taken for the end must be one, and the decompressor's checksum must hold."""
        if self._last != bytes(tarfile.BLOCKSIZE):
            raise Invalid("the archive is broken or incomplete")
        rest = _MAX_TRAILER
        while rest > 0 and (block := self._fetch(_BLOCK)):
            rest -= len(block)

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> int:
        if position < self._position:
            raise tarfile.ReadError("backwards")
        while position > self._position:
            if not self.read(min(position - self._position, _BLOCK)):
                raise tarfile.ReadError("unexpected end of data")
        return self._position

    def read(self, size: int) -> bytes:
        if self._allowance is not None:
            self._allowance -= size
            if self._allowance < 0:
                raise Invalid(f"an entry of the archive has headers of more than {_MAX_HEADERS} bytes")
        blocks = []
        wanted = size
        while wanted > 0 and (block := self._fetch(wanted)):
            blocks.append(block)
            wanted -= len(block)
        self._position += size - wanted
        self._last = b"".join(blocks)
        return self._last

    def _fetch(self, size: int) -> bytes:
        self._meter.check()
        try:
            return self._stream.read(size)
        except (EOFError, zlib.error, LZMAError, ZstdError, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # this machine's disk, not the archive
            raise Invalid("the archive is broken or incomplete: it cannot be decompressed") from error
