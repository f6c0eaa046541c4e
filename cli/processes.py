"""Running other processes: started, watched, started again when they die, and never left behind.

Nothing outlives the supervisor. Asked to end, it ends everything; killed, it takes its children along, because each
has the kernel's promise of a signal when its parent dies (PR_SET_PDEATHSIG). Orphans of a process that died come to
the supervisor (PR_SET_CHILD_SUBREAPER), which ends them.
"""

import ctypes
import logging
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

log = logging.getLogger(__name__)

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

STOPS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 30.0
STEADY_S = 30.0  # one that ran this long did not fail at its start
GRACE_S = 3.5  # between TERM and KILL; with twice the next it has to stay below five seconds
LAST_GRACE_S = 0.5

_libc = ctypes.CDLL(None, use_errno=True)


class Stopped(Exception):
    """A signal asked this process to end."""


@dataclass
class Process:
    """One process to keep running. `once`: expected to end, and not started again. `last`: ends after the others."""

    name: str
    argv: Sequence[str]
    environ: Mapping[str, str]
    fds: Sequence[int] = ()
    once: bool = False
    last: bool = False
    popen: "subprocess.Popen[bytes] | None" = None
    started: float = 0.0
    failures: int = 0
    due: float | None = field(default=None)  # when to start it again

    @property
    def returncode(self) -> int | None:
        """How it ended (negative: by which signal); None while it runs or waits to run."""
        return self.popen.returncode if self.popen else None


class Supervisor:
    """Keeps processes running for as long as its block lasts. For a program with one thread only."""

    def __init__(self) -> None:
        self._processes: list[Process] = []
        self._mask: set[signal.Signals] = set()
        # `nohup` has this process outlive its terminal. SIGINT, which scripts let all in their background ignore, still
        # ends it: whoever sends that means it.
        outlives = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        self._watched = (STOPS | {signal.SIGCHLD}) - ({signal.SIGHUP} if outlives else set())

    def __enter__(self) -> Self:
        # Blocked signals wait to be asked for, so none arrives between looking and sleeping.
        self._mask = set(signal.pthread_sigmask(signal.SIG_BLOCK, self._watched))  # type: ignore[arg-type]
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._end_all()
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
        while signal.sigtimedwait(self._watched, 0):
            pass
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def start(self, process: Process) -> Process:
        """Run the process, and keep it running."""
        _spawn(process)
        self._processes.append(process)
        return process

    def wait(self, seconds: float | None) -> None:
        """Mind the processes for at most that long (None: until something happens); Stopped once asked to end."""
        told = signal.sigtimedwait(self._watched, self._until_due(seconds))
        for process in self._processes:
            _look_after(process)
        _end_adopted(self._pids())
        if told is not None and told.si_signo in STOPS:
            raise Stopped

    def _until_due(self, seconds: float | None) -> float:
        now = time.monotonic()
        dues = [process.due - now for process in self._processes if process.due is not None]
        return max(0.0, min([*dues, 3600.0 if seconds is None else seconds]))

    def _pids(self) -> set[int]:
        return {process.popen.pid for process in self._processes if process.popen}

    def _end_all(self) -> None:
        _end([process for process in self._processes if not process.last], GRACE_S)
        _end([process for process in self._processes if process.last], LAST_GRACE_S)
        deadline = time.monotonic() + LAST_GRACE_S
        while _end_adopted(set()) and time.monotonic() < deadline:
            time.sleep(0.01)
        self._processes.clear()


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when the one that forked it, `parent`, ends."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the kernel was asked
        os._exit(1)


def _spawn(process: Process) -> None:
    parent = os.getpid()

    def prepare() -> None:
        die_with_parent(parent)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    process.due = None
    process.started = time.monotonic()
    process.popen = subprocess.Popen(  # noqa: S603 - our own programs
        process.argv,
        env=process.environ,
        stdin=subprocess.DEVNULL,
        pass_fds=process.fds,
        start_new_session=True,  # Ctrl-C in the terminal reaches the supervisor only, which ends them in order
        preexec_fn=prepare,  # noqa: PLW1509 - there are no other threads
    )


def _look_after(process: Process) -> None:
    """Notice that it ended; start it again when that is due."""
    popen, now = process.popen, time.monotonic()
    if process.due is not None:
        if process.due <= now:
            _start_again(process)
    elif popen and popen.returncode is None and popen.poll() is not None and not process.once:
        if now - process.started >= STEADY_S:
            process.failures = 0
        _put_off(process, f"(process {popen.pid}) {_told(popen)}")


def _start_again(process: Process) -> None:
    try:
        _spawn(process)
    except OSError as exc:  # no memory or no process left on the machine, for a while
        _put_off(process, f"could not be started: {exc}")


def _put_off(process: Process, what: str) -> None:
    pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**process.failures)
    process.failures += 1
    process.due = time.monotonic() + pause
    log.error("%s %s; it is started again in %g s", process.name, what, pause)


def _told(popen: "subprocess.Popen[bytes]") -> str:
    code = popen.returncode
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended by itself with code {code}"


def _end(processes: Sequence[Process], grace: float) -> None:
    alive = [(each.name, each.popen) for each in processes if each.popen and each.popen.poll() is None]
    for _, popen in alive:
        popen.terminate()
    deadline = time.monotonic() + grace
    for name, popen in alive:
        try:
            popen.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            log.warning("%s did not end within %g s and is killed", name, grace)
            os.killpg(popen.pid, signal.SIGKILL)  # it leads a group, and is not reaped, so the number is still its own
            popen.wait()


def _end_adopted(own: set[int]) -> bool:
    """Kill and reap the children that were not started here: their parent has died. Whether there were any."""
    adopted = [pid for pid in _children() if pid not in own]
    for pid in adopted:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
    return bool(adopted)


def _children() -> Iterator[int]:
    try:
        listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii")
    except FileNotFoundError:  # a kernel without CONFIG_PROC_CHILDREN: orphans go to the machine's init instead
        return
    yield from map(int, listed.split())
