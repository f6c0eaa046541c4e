"""A store in a folder of a local (or shared POSIX) file system.

    root/
    ├── uploads/<uuid>      what is being received; renamed to its path when complete
    └── <path>              published objects

Publishing is: bytes to the disk, rename, folder to the disk. A crash at any point leaves the old
object or the new one, and at worst a file in `uploads/`.
"""

import ctypes
import fcntl
import io
import os
import stat as modes
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from storage.driver import NotFound, Stat, State, UploadBusy, UploadLost, failed
from storage.paths import UPLOADS, checked, checked_folder

BLOCK = 1 << 20
"""Bytes gathered before they are written: fewer, larger system calls."""
AT_A_TIME = 128 << 10
"""Bytes of a write. For more at once Linux takes large pieces of memory, which a virtual machine may have to fetch from
its host first: many times as slow as the write itself."""
EARLY = 8 << 20
"""Bytes after which the disk is told to begin with them, so that little is left to wait for at the end."""
MANY, AT_ONCE = 32, 16
"""Files from which on that many are removed at once: the disk is what is waited for, a millisecond or two for each."""

_SYNC_FILE_RANGE: Callable[[int, int, int, int], int] | None = getattr(ctypes.CDLL(None), "sync_file_range", None)
if _SYNC_FILE_RANGE is not None:
    _SYNC_FILE_RANGE.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)  # type: ignore[attr-defined]
_WRITE = 2
"""SYNC_FILE_RANGE_WRITE of Linux: begin, and do not wait."""

_ABSENT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


class LocalStorage:
    """Objects below the folder `root`, which is made if need be; files are 0600, folders 0700."""

    is_local = True
    least_chunk = 0

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._uploads = self._root / UPLOADS
        with _errors(str(self._uploads)):
            self._make_folder(self._uploads)

    def read(self, path: str) -> bytes:
        with self.open(path) as file:
            return file.read()

    def open(self, path: str, *, start: int = 0, stop: int | None = None) -> BinaryIO:
        with _errors(path), _absent(path):
            return _Slice(self._at(path), start, stop)

    def write(self, path: str, data: bytes) -> None:
        target = self._at(path)
        temporary = self._uploads / uuid.uuid4().hex
        with _errors(path):
            try:
                with _descriptor(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as fd:
                    _write_all(fd, data)
                    self._publish(fd, temporary, target)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise

    def stat(self, path: str) -> Stat:
        with _errors(path), _absent(path):
            found = self._at(path).stat()
        if not modes.S_ISREG(found.st_mode):
            raise NotFound(path)
        return Stat(found.st_size, found.st_mtime)

    def delete(self, paths: Iterable[str]) -> None:
        gone = list(paths)
        if len(gone) < MANY:
            for path in gone:
                self._delete(path)
            return
        with ThreadPoolExecutor(AT_ONCE, "delete") as pool:
            list(pool.map(self._delete, gone))  # or what failed first is raised

    def _delete(self, path: str) -> None:
        with _errors(path), suppress(*_ABSENT):
            self._at(path).unlink()

    def list(self, prefix: str) -> Iterator[tuple[str, Stat]]:
        folders = [checked_folder(prefix)]
        while folders:
            folder = folders.pop()
            for entry in _entries(self._root / folder):
                path = f"{folder}/{entry.name}" if folder else entry.name
                if path == UPLOADS:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(path)
                elif found := _stat(entry):
                    yield path, found

    def url(
        self, path: str, *, expires_s: int, filename: str | None = None, content_type: str | None = None
    ) -> str | None:
        return None

    def begin(self, path: str) -> State:
        state: State = {"path": checked(path), "upload": uuid.uuid4().hex, "size": 0}
        with _errors(path), _descriptor(self._uploads / state["upload"], os.O_WRONLY | os.O_CREAT | os.O_EXCL):
            return state

    def append(self, state: State, chunks: Iterable[bytes]) -> State:
        size = begun = state["size"]
        with self._claimed(state) as fd:
            os.lseek(fd, size, os.SEEK_SET)
            for block in _blocks(chunks):
                with _errors(state["path"]):
                    _write_all(fd, block)
                size += len(block)
                if size - begun >= EARLY:
                    _begin_writing(fd, begun, size - begun)
                    begun = size
        return state | {"size": size}

    def commit(self, state: State) -> None:
        path, target = state["path"], self._at(state["path"])
        try:
            with self._claimed(state) as fd, _errors(path):
                self._publish(fd, self._uploads / state["upload"], target)
        except UploadLost:
            if not self._is_published(state):
                raise
            with _errors(path):
                _sync_folder(target.parent)

    def abort(self, state: State) -> None:
        with _errors(state["path"]):
            (self._uploads / state["upload"]).unlink(missing_ok=True)

    def sweep(self, *, older_than_s: float, known: Iterable[State]) -> int:
        spared, before, removed = {state["upload"] for state in known}, time.time() - older_than_s, 0
        for entry in _entries(self._uploads):
            found = _stat(entry)
            if found and found.modified < before and entry.name not in spared:
                with _errors(entry.path):
                    Path(entry.path).unlink(missing_ok=True)
                removed += 1
        return removed

    def ping(self) -> None:
        probe = self._uploads / uuid.uuid4().hex
        with _errors(str(self._uploads)):
            try:
                with _descriptor(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as fd:
                    _write_all(fd, b"ping")
            finally:
                probe.unlink(missing_ok=True)

    def _at(self, path: str) -> Path:
        return self._root / checked(path)

    def _is_published(self, state: State) -> bool:
        try:
            return bool(self.stat(state["path"]).size == state["size"])
        except NotFound:
            return False

    @contextmanager
    def _claimed(self, state: State) -> Iterator[int]:
        """The upload's file, locked and cut to where the state says; a lock dies with its process."""
        upload = self._uploads / state["upload"]
        with ExitStack() as stack:
            with _errors(state["path"]), _gone(state):
                fd = stack.enter_context(_descriptor(upload, os.O_RDWR))
                _lock(fd, upload, state)
            yield fd

    def _publish(self, fd: int, temporary: Path, target: Path) -> None:
        os.fdatasync(fd)
        self._make_folder(target.parent)
        temporary.rename(target)
        _sync_folder(target.parent)

    def _make_folder(self, folder: Path) -> None:
        """Make what is missing of the path to `folder`, each new entry on the disk before the next."""
        if folder.is_dir():
            return
        self._make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        _sync_folder(folder.parent)


class _Slice(io.FileIO):
    """A file opened at `start` that ends at `stop`; the descriptor stands where reading does, as sendfile wants it."""

    def __init__(self, path: Path, start: int, stop: int | None) -> None:
        super().__init__(path, "rb")
        self._stop = stop
        self.seek(start)

    def read(self, size: int | None = -1, /) -> bytes:
        left = self._left()
        if left is None:
            return super().read(-1 if size is None else size)
        return super().read(left if size is None or size < 0 else min(size, left))

    def readall(self) -> bytes:
        return self.read()

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        return super().readinto(memoryview(buffer)[: self._left()])

    def _left(self) -> int | None:
        return None if self._stop is None else max(0, self._stop - self.tell())


@contextmanager
def _errors(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise failed(f"the storage folder does not serve {path}", exc) from exc


@contextmanager
def _absent(path: str) -> Iterator[None]:
    try:
        yield
    except _ABSENT as exc:
        raise NotFound(path) from exc


@contextmanager
def _gone(state: State) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as exc:
        raise UploadLost(f"the upload to {state['path']} is gone") from exc


@contextmanager
def _descriptor(path: Path, flags: int) -> Iterator[int]:
    fd = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        yield fd
    finally:
        os.close(fd)


def _lock(fd: int, upload: Path, state: State) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        raise UploadBusy(f"another request is appending to the upload to {state['path']}") from exc
    found = os.fstat(fd)
    # Whoever held the lock before may have published or removed the very file that was opened here.
    if not os.path.samestat(found, upload.stat()):
        raise UploadLost(f"the upload to {state['path']} is gone")
    if found.st_size < state["size"]:
        raise UploadLost(f"the upload to {state['path']} has {found.st_size} bytes, {state['size']} were acknowledged")
    os.ftruncate(fd, state["size"])


def _blocks(chunks: Iterable[bytes]) -> Iterator[bytes | bytearray]:
    """The same bytes in blocks of BLOCK or more, but for the last."""
    gathered = bytearray()
    for chunk in chunks:
        if not gathered and len(chunk) >= BLOCK:
            yield chunk
            continue
        gathered += chunk
        if len(gathered) >= BLOCK:
            yield gathered
            gathered = bytearray()
    if gathered:
        yield gathered


def _write_all(fd: int, data: bytes | bytearray) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(fd, left[:AT_A_TIME]) :]


def _begin_writing(fd: int, start: int, length: int) -> None:
    """Let the kernel begin to write this part of the file to the disk. A hint: whether it is safe tells fdatasync."""
    if _SYNC_FILE_RANGE is not None:
        _SYNC_FILE_RANGE(fd, start, length, _WRITE)


def _sync_folder(folder: Path) -> None:
    with _descriptor(folder, os.O_RDONLY | os.O_DIRECTORY) as fd:
        os.fsync(fd)


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    with _errors(str(folder)), suppress(*_ABSENT), os.scandir(folder) as entries:
        yield from entries


def _stat(entry: os.DirEntry[str]) -> Stat | None:
    """What is known of a listed file; None if it is no file, or was deleted since."""
    try:
        found = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    return Stat(found.st_size, found.st_mtime) if modes.S_ISREG(found.st_mode) else None
