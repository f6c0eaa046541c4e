"""A folder for each build under way, locked while its process lives, so that what a dead one left is told apart."""

import fcntl
import hashlib
import logging
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)

_LOCK = "lock"
_YOUNG_S = 5.0


def name_for(uuid: str, owner: str) -> str:
    """The name of a folder that no other process takes for its own, for this or another build."""
    return f"{uuid}.{hashlib.sha256(owner.encode()).hexdigest()[:16]}"


def uuid_in(name: str) -> str:
    """The build that a folder of this name is for."""
    return name.partition(".")[0]


@contextmanager
def folder(scratch: Path, name: str) -> Iterator[Path]:
    """A folder of this name, empty but for its lock, for as long as the block runs."""
    path = scratch / name
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
    try:
        shutil.rmtree(scratch / name, ignore_errors=True)
    except RecursionError:
        log.warning("%s is too deep to be removed here; remove it by hand: rm -r", scratch / name)


def _is_abandoned(path: Path) -> bool:
    try:
        if time.time() - path.stat().st_mtime < _YOUNG_S:
            return False  # perhaps not locked yet
        lock = os.open(path / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return path.exists()  # its process died before it could lock it, or has just removed it
    except PermissionError:
        return False  # another user's, who may be alive
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True
