"""Starting, watching and ending server processes, and showing what they said when a test fails."""

import atexit
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

_WARDEN = Path(__file__).with_name("warden.py")
_running: "list[Server]" = []


class ServerFailed(Exception):
    """A server did not start, or ended by itself; the message carries the end of its log."""


class Server:
    """A server process under its warden."""

    def __init__(self, name: str, warden: "subprocess.Popen[bytes]", pid: int, log: int) -> None:
        self.name = name
        self.pid = pid
        self._warden = warden
        self._log = log
        weakref.finalize(self, os.close, log)  # an ended server may still be asked what it said

    @property
    def alive(self) -> bool:
        """Whether the server still runs; once false, all it started is gone too."""
        return self._warden.poll() is None

    def log_size(self) -> int:
        """Bytes written to the log so far: a mark for `log_tail`."""
        return os.fstat(self._log).st_size

    def log_tail(self, lines: int = 60, *, since: int = 0) -> str:
        """The last lines of what the server printed, not reaching back before the mark `since`."""
        start = max(since, self.log_size() - 64 * 1024)
        text = os.pread(self._log, 64 * 1024, start).decode(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def log_since(self, mark: int) -> str:
        """All that the server has printed since then."""
        return os.pread(self._log, self.log_size() - mark, mark).decode(errors="replace")

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End the server with SIGKILL, as a crash would, or another signal; what it started is ended by the warden."""
        with contextlib.suppress(ProcessLookupError):  # its death with its children may be over already
            os.kill(self.pid, number)
        self._warden.wait()
        self._forget()

    def stop(self) -> int:
        """Ask the server to end, wait, insist; returns its exit code (negative: the signal that ended it)."""
        self._warden.terminate()
        code = self._warden.wait()
        self._forget()
        return code - 256 if code > 128 else code

    def _forget(self) -> None:
        if self in _running:
            _running.remove(self)


def start(
    name: str,
    argv: Sequence[object],
    *,
    ready: Callable[[], bool],
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    user: str | None = None,
    scratch: Sequence[Path] = (),
    cleanup: Sequence[Sequence[str]] = (),
    stop_signal: signal.Signals = signal.SIGTERM,
    grace: float = 10,
    deadline: float = 30,
) -> Server:
    """Start a server and return once `ready()` is true; `ServerFailed` when it ends before or `deadline` seconds pass.

    `scratch` folders are removed and `cleanup` commands run when the server has ended, whatever ended it.
    `user` runs it as that system user; `grace` is the seconds between `stop_signal` and SIGKILL.
    """
    order = {
        "argv": [str(part) for part in argv],
        "user": user,
        "cwd": str(cwd) if cwd else None,
        "stop_signal": int(stop_signal),
        "grace": grace,
        "parent": os.getpid(),
        "scratch": [str(folder) for folder in scratch],
        "cleanup": [list(command) for command in cleanup],
    }
    server = _launch(name, order, env)
    _running.append(server)
    try:
        wait_until(ready, seconds=deadline, alive=lambda: server.alive)
    except BaseException as problem:
        said = server.log_tail()
        server.stop()
        raise ServerFailed(f"{name} ({argv[0]}) is not ready: {problem}\n{said}") from problem
    return server


def keep(name: str, folder: Path) -> Server:
    """Something that does nothing; its folder outlives each server that uses it, but not the tests."""
    return start(name, ["sleep", "infinity"], ready=lambda: True, scratch=[folder])


def _launch(name: str, order: Mapping[str, object], env: Mapping[str, str] | None) -> Server:
    # Without a name in the file system: it vanishes with the last process that holds it.
    with tempfile.TemporaryFile() as log:
        reader, writer = os.pipe()
        warden = subprocess.Popen(
            [sys.executable, "-I", "-S", _WARDEN, json.dumps({**order, "status": writer})],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=env,
            pass_fds=[writer],
            start_new_session=True,
        )
        os.close(writer)
        with open(reader, encoding="ascii") as status:  # noqa: PTH123 - a descriptor, not a path
            pid = status.readline().strip()
        server = Server(name, warden, int(pid or 0), os.dup(log.fileno()))
    if not pid:
        warden.wait()
        raise ServerFailed(f"{name} could not be started:\n{server.log_tail()}")
    return server


def wait_until(
    condition: Callable[[], bool], *, seconds: float, alive: Callable[[], bool] = lambda: True, pause: float = 0.05
) -> None:
    """Return when the condition holds; `TimeoutError` after `seconds`, `ChildProcessError` once `alive()` is false."""
    end = time.monotonic() + seconds
    while not condition():
        if not alive():
            raise ChildProcessError("it has ended")
        if time.monotonic() > end:
            raise TimeoutError(f"no answer within {seconds:g} s")
        time.sleep(pause)


def running() -> Iterator[Server]:
    """The servers that this process has started and not ended."""
    yield from _running


def scratch_folder(name: str, *, owner: str | None = None) -> Path:
    """A new folder for one server's files; give it to `start` as `scratch`, which removes it in the end."""
    folder = Path(tempfile.mkdtemp(prefix=f"drydock-{name}-"))
    if owner:
        shutil.chown(folder, owner, owner)
    return folder


def descendants(pid: int) -> list[int]:
    """The processes below `pid`, parents before their children; none below one that has ended."""
    found: list[int] = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                found += [child, *descendants(child)]
    return found


@atexit.register
def _stop_all() -> None:
    for server in reversed(_running.copy()):
        with contextlib.suppress(ProcessLookupError):
            server.stop()
