"""Running a command of which nobody knows how long it takes: its lines as they come, and an end when it is time."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from buildworker.builder import BuildTimeout
from buildworker.output import Line, Lines
from buildworker.watch import DeadlinePassed, watched
from models.errors import Upstream

_BLOCK = 64 * 1024


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, and the last thing it complained of."""

    code: int
    complaint: str


def run(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    on_line: Callable[[Line], None],
    cancelled: Callable[[], bool],
    deadline: float | None,
    what: str,
) -> Ended:
    """Run it to its end. BuildTimeout, watch.Cancelled: it was ended, with all that it had started. Upstream."""
    try:
        process = subprocess.Popen(  # noqa: S603 - no shell, and options have their values after =
            command,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise Upstream(
            f"{command[0]} cannot be run: {error.strerror}; install it, or choose by BUILD_ENGINE"
        ) from error
    complaint = ""
    try:
        source = watched(lambda: _lines(process), cancelled=cancelled, deadline=deadline, abort=lambda: _end(process))
        for line in source:
            on_line(line)
            complaint = line.text or complaint
    except DeadlinePassed as error:
        raise BuildTimeout(f"{what} took longer than it may") from error
    finally:
        _end(process)
    return Ended(process.returncode, complaint.removeprefix("Error: "))


def _lines(process: "subprocess.Popen[bytes]") -> Iterator[Line]:
    lines = Lines()
    with cast("IO[bytes]", process.stdout) as output:
        while block := os.read(output.fileno(), _BLOCK):
            yield from lines.feed(block.decode(errors="replace"))
    yield from lines.end()


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Wait for it if it has closed its output, and else kill it and what it has started."""
    try:
        process.wait(timeout=0.5 if process.stdout is None or process.stdout.closed else 0)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
