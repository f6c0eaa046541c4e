"""Unpacking a zip archive."""

import calendar
import errno
import io
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from buildworker.tree import Limits, Tree, shown
from models.errors import Exceeded, Invalid

_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_ENCRYPTED = 0x1
_UTF8 = 0x800
_MAX_TARGET = 4096
_MAX_DIRECTORY = 64 * 1024 * 1024
_UNIX = {3, 19}  # made on Unix or macOS: the attributes carry a mode
_FIRST_TIME = 315_532_800  # 1980, where zip's calendar begins
_BLOCK = 256 * 1024


def unzip(raw: io.FileIO, tree: Tree, limits: Limits) -> None:
    """Unpack the zip archive in `raw` into `tree`; `Invalid` names the entry that cannot be unpacked."""
    with _Bounded(raw, limits.max_entries) as file, _opened(file) as archive:
        for entry in archive.infolist():
            _add(entry, _name(entry), archive, tree)


def _opened(file: "_Bounded") -> zipfile.ZipFile:
    with _refusing("the zip archive is broken or incomplete"):
        archive = zipfile.ZipFile(file)
    file.opening = False
    return archive


def _add(entry: zipfile.ZipInfo, name: str, archive: zipfile.ZipFile, tree: Tree) -> None:
    mode = entry.external_attr >> 16 if entry.create_system in _UNIX else 0
    mtime = _mtime(entry)
    if entry.flag_bits & _ENCRYPTED:
        raise Invalid(f"the archive's entry {shown(name)} is encrypted; make the archive without a password")
    if name.endswith("/") or stat.S_ISDIR(mode):
        tree.add_folder(name, mode & 0o777 or 0o755, mtime)
    elif stat.S_ISLNK(mode):
        tree.add_symlink(name, _target(entry, name, archive), mtime)
    elif stat.S_IFMT(mode) in (0, stat.S_IFREG):
        tree.add_file(name, mode & 0o777 or 0o644, mtime, _content(entry, name, archive))
    else:
        raise Invalid(f"the archive's entry {shown(name)} is a device or named pipe; leave it out of the archive")


def _target(entry: zipfile.ZipInfo, name: str, archive: zipfile.ZipFile) -> str:
    target = b""
    for block in _content(entry, name, archive):
        target += block
        if len(target) > _MAX_TARGET:
            raise Invalid(f"the archive's entry {shown(name)} is a link to a name that is too long")
    return target.decode("utf-8", "surrogateescape")


def _content(entry: zipfile.ZipInfo, name: str, archive: zipfile.ZipFile) -> Iterator[bytes]:
    if entry.compress_type not in _METHODS:
        raise Invalid(f"the archive's entry {shown(name)} is compressed by an unusual method; use deflate")
    with _refusing(f"the archive's entry {shown(name)} is broken or incomplete"), archive.open(entry) as file:
        while block := file.read(_BLOCK):
            yield block


@contextmanager
def _refusing(detail: str) -> Iterator[None]:
    """Say `detail` of whatever zipfile finds wrong, which differs from one Python to the next."""
    try:
        yield
    except (zipfile.BadZipFile, NotImplementedError, zlib.error, EOFError, ValueError, RuntimeError) as error:
        raise Invalid(detail) from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # a place before the file's beginning
            raise
        raise Invalid(detail) from error


def _name(entry: zipfile.ZipInfo) -> str:
    """The name. What the archive does not call UTF-8, zipfile takes for DOS's code page; Unix's bytes stay instead."""
    if entry.flag_bits & _UTF8 or entry.create_system not in _UNIX:
        return entry.filename
    return entry.filename.encode("cp437").decode("utf-8", "surrogateescape")


def _mtime(entry: zipfile.ZipInfo) -> float:
    try:
        return calendar.timegm((*entry.date_time, 0, 0, 0))
    except ValueError:
        return _FIRST_TIME


class _Bounded(io.BufferedReader):
    """The file; zipfile reads its directory at once and makes an object of each entry, so it must not be too large."""

    def __init__(self, raw: io.FileIO, max_entries: int) -> None:
        super().__init__(raw)
        self.opening = True
        self._max_entries = max_entries

    def read(self, size: int | None = -1, /) -> bytes:
        if not self.opening:
            return super().read(size)
        wanted = _MAX_DIRECTORY if size is None or size < 0 else size
        if wanted > _MAX_DIRECTORY:
            raise Invalid("the zip archive's directory is too large")
        data = super().read(wanted)
        if data.count(b"PK\x01\x02") > self._max_entries:
            raise Exceeded(f"the archive has more than the {self._max_entries} files and folders allowed")
        return data
