"""A folder that an archive is unpacked into and that nothing in the archive can get out of.

Each entry's parent is reached from the root one component at a time, through folder descriptors that follow no link.
So a link that an earlier entry left behind can never be written through, whatever its target.
"""

import errno
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from buildworker.watch import DeadlinePassed, Poll
from config.units import format_size
from models.errors import Exceeded, Invalid

_MAX_NAME = 2048  # bytes; the engine puts the name behind its own path and has 4,096 for both
_MAX_PARTS = 128  # what walks a tree later may call itself for each folder
_LATEST = 1 << 34  # seconds; later times are mistakes that file systems refuse
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_BLOCK = 256 * 1024


@dataclass(frozen=True)
class Limits:
    """How much an archive may become: bytes written, files and folders made, seconds taken."""

    max_bytes: int
    max_entries: int
    max_seconds: float = 600.0


class Meter:
    """Counts against `limits` what is really made, and notices a cancel and the end of the time."""

    def __init__(self, limits: Limits, cancelled: Callable[[], bool]) -> None:
        self.limits = limits
        self.files = 0
        self.entries = 0
        self.bytes = 0
        self._poll = Poll(cancelled, time.monotonic() + limits.max_seconds)

    def add_entry(self) -> None:
        self.check()
        self.entries += 1
        if self.entries > self.limits.max_entries:
            raise Exceeded(f"the archive has more than the {self.limits.max_entries} files and folders allowed")

    def add_bytes(self, count: int) -> None:
        self.check()
        self.bytes += count
        if self.bytes > self.limits.max_bytes:
            raise Exceeded(f"the archive unpacks to more than the limit of {format_size(self.limits.max_bytes)} bytes")

    def check(self) -> None:
        try:
            self._poll()
        except DeadlinePassed as error:
            raise Exceeded(f"unpacking the archive takes longer than {self.limits.max_seconds:g} seconds") from error


def shown(name: str) -> str:
    """A name from an archive as a message may show it: quoted, cut, without control characters."""
    printable = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in name[:200])
    return f"'{printable}…'" if len(name) > 200 else f"'{printable}'"


def parts_of(name: str) -> tuple[str, ...]:
    """The components of an entry's name; `Invalid` when it leads out of the archive or cannot be a file's name."""
    if name.startswith("/"):
        raise Invalid(f"the archive's entry {shown(name)} has an absolute name")
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if ".." in parts:
        raise Invalid(f"the archive's entry {shown(name)} leads out of the archive with '..'")
    if "\0" in name or len(os.fsencode(name)) > _MAX_NAME:
        raise Invalid(f"the archive's entry {shown(name)} has a name that is too long or has a zero byte in it")
    if len(parts) > _MAX_PARTS:
        raise Invalid(f"the archive's entry {shown(name)} lies deeper than the {_MAX_PARTS} folders allowed")
    return parts


class Tree:
    """The folder `root`, which exists and is empty. All that is made is counted by `meter`."""

    def __init__(self, root: Path, meter: Meter) -> None:
        self._meter = meter
        self._folder_times: dict[tuple[str, ...], int] = {}
        self._root = os.open(root, _FOLDER)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._root)

    def add_folder(self, name: str, mode: int, mtime: float) -> None:
        parts = parts_of(name)
        if not parts:
            return
        self._meter.add_entry()
        with self._parent(parts, name) as parent:
            if not _is_folder(parent, parts[-1]):
                _clear(parent, parts[-1], name)
                os.mkdir(parts[-1], 0o700, dir_fd=parent)
            folder = os.open(parts[-1], _FOLDER, dir_fd=parent)
            try:
                os.fchmod(folder, (mode & 0o777) | 0o700)
            finally:
                os.close(folder)
        self._folder_times[parts] = _nanoseconds(mtime)

    def add_file(self, name: str, mode: int, mtime: float, blocks: Iterable[bytes]) -> None:
        """A file with this content; of `mode` only the permissions count, and the owner can always read and write."""
        self._meter.add_entry()
        with self._new(name) as (parent, last):
            file = os.open(last, _NEW_FILE, 0o600, dir_fd=parent)
            try:
                self._write(file, blocks)
                os.fchmod(file, (mode & 0o777) | 0o600)
                os.utime(file, ns=(_nanoseconds(mtime),) * 2)
            finally:
                os.close(file)
        self._meter.files += 1

    def add_symlink(self, name: str, target: str, mtime: float) -> None:
        """A symbolic link; `Invalid` when its target is, or may be, outside."""
        self._meter.add_entry()
        _check_target(name, target)
        with self._new(name) as (parent, last):
            os.symlink(target, last, dir_fd=parent)
            os.utime(last, ns=(_nanoseconds(mtime),) * 2, dir_fd=parent, follow_symlinks=False)
        self._meter.files += 1

    def add_copy(self, name: str, of: str, mode: int, mtime: float) -> None:
        """What an archive calls a hard link: a copy of an earlier file, so that sizes add up as they look."""
        parts = parts_of(of)
        missing = Invalid(f"the archive's entry {shown(name)} links to {shown(of)}, which is no earlier file in it")
        if not parts:
            raise missing
        with self._parent(parts, of) as parent:
            try:
                original = os.open(parts[-1], _OLD_FILE, dir_fd=parent)
            except OSError as error:
                raise missing from error
        try:
            if not stat.S_ISREG(os.fstat(original).st_mode):
                raise missing
            self.add_file(name, mode, mtime, iter(lambda: os.read(original, _BLOCK), b""))
        finally:
            os.close(original)

    def finish(self) -> None:
        """Give the folders their times, which every new entry in them had changed."""
        for parts, mtime in reversed(self._folder_times.items()):
            with self._parent((*parts, ""), "/".join(parts)) as folder:
                os.utime(folder, ns=(mtime, mtime))

    @contextmanager
    def _new(self, name: str) -> Iterator[tuple[int, str]]:
        """The parent and last component of an entry that is about to be made; what had the name is gone."""
        parts = parts_of(name)
        if not parts:
            raise Invalid(f"the archive's entry {shown(name)} has no name")
        with self._parent(parts, name) as parent:
            _clear(parent, parts[-1], name)
            self._folder_times.pop(parts, None)
            yield parent, parts[-1]

    @contextmanager
    def _parent(self, parts: tuple[str, ...], name: str) -> Iterator[int]:
        """A descriptor of the folder that `parts` are in, which is made where it is missing."""
        folder = os.dup(self._root)
        try:
            for part in parts[:-1]:
                inner = self._step(folder, part, name)
                os.close(folder)
                folder = inner
            yield folder
        except OSError as error:
            if error.errno in (errno.ENAMETOOLONG, errno.EILSEQ):
                raise Invalid(f"the archive's entry {shown(name)} has a name that no file can have") from error
            raise
        finally:
            os.close(folder)

    def _step(self, folder: int, part: str, name: str) -> int:
        try:
            return os.open(part, _FOLDER, dir_fd=folder)
        except FileNotFoundError:
            self._meter.add_entry()
            os.mkdir(part, 0o755, dir_fd=folder)
            return os.open(part, _FOLDER, dir_fd=folder)
        except OSError as error:
            if error.errno in (errno.ENOTDIR, errno.ELOOP):
                through = f"goes through {shown(part)}, which is a link or file"
                raise Invalid(f"the archive's entry {shown(name)} {through}") from error
            raise

    def _write(self, file: int, blocks: Iterable[bytes]) -> None:
        for block in blocks:
            self._meter.add_bytes(len(block))
            view = memoryview(block)
            while view:
                view = view[os.write(file, view) :]


def _check_target(name: str, target: str) -> None:
    """Only `../` steps to begin with, no more than the link is deep, and none later.

    The folders above a link are real, so these steps cannot leave the root; a later one could, behind another link.
    """
    outside = Invalid(f"the archive's entry {shown(name)} is a link to {shown(target)}, which is outside the archive")
    if not target or target.startswith("/") or "\0" in target or len(os.fsencode(target)) > _MAX_NAME:
        raise outside
    parts = [part for part in target.split("/") if part not in ("", ".")]
    ups = next((index for index, part in enumerate(parts) if part != ".."), len(parts))
    if ups > len(parts_of(name)) - 1 or ".." in parts[ups:]:
        raise outside


def _clear(parent: int, last: str, name: str) -> None:
    """Make room for a later entry of the same name; a link goes itself, not what it points to."""
    try:
        os.unlink(last, dir_fd=parent)
    except FileNotFoundError:
        return
    except (IsADirectoryError, PermissionError):
        try:
            os.rmdir(last, dir_fd=parent)
        except OSError as error:
            raise Invalid(f"the archive's entry {shown(name)} would replace a folder that is not empty") from error


def _is_folder(parent: int, last: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(last, dir_fd=parent, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _nanoseconds(mtime: float) -> int:
    return int(mtime * 1_000_000_000) if 0 <= mtime < _LATEST else 0
