"""A folder for each build under way, locked while its process lives, so that what a dead one left is told apart."""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOCK = "lock"
_YOUNG_S = 5.0


@contextmanager
def folder(scratch: Path, name: str) -> Iterator[Path]:
    """A folder of this name, empty but for its lock, for as long as the block runs."""
    path = scratch / name
    remove(scratch, name)  # of an attempt that died here
    path.mkdir(mode=0o700, parents=True)
    lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield path
    finally:
        remove(scratch, name)
        os.close(lock)


def abandoned(scratch: Path) -> list[str]:
    """The names of the folders whose process is gone."""
    if not scratch.is_dir():
        return []
    return [path.name for path in scratch.iterdir() if path.is_dir() and _is_abandoned(path)]


def remove(scratch: Path, name: str) -> None:
    """Remove a folder, whatever a build has put there; one that is not there is removed already."""
    shutil.rmtree(scratch / name, ignore_errors=True)


def _is_abandoned(path: Path) -> bool:
    try:
        if time.time() - path.stat().st_mtime < _YOUNG_S:
            return False  # perhaps not locked yet
        lock = os.open(path / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return path.exists()  # its process died before it could lock it, or has just removed it
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True
