"""`drydock` as a person runs it: real processes, which a test can look at, kill and be sure that they end."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import requests

from tests.services.ports import free_port
from tests.services.process import wait_until

ROOT = Path(__file__).parents[3]
COMMAND = (sys.executable, "-m", "cli.main")


def environ(**settings: str) -> dict[str, str]:
    """This process's environment without its DRYDOCK_ settings, and with the given ones."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DRYDOCK_")}
    return kept | {"PYTHONPATH": str(ROOT)} | {f"DRYDOCK_{key}": value for key, value in settings.items()}


def drydock(*arguments: object, stdin: str = "", **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end."""
    argv = [*COMMAND, *map(str, arguments)]
    return subprocess.run(
        argv, input=stdin, env=environ(**settings), capture_output=True, text=True, timeout=30, check=False
    )


@dataclass(frozen=True)
class Pid:
    """A process that a later one with the same number is not mistaken for."""

    number: int
    started: str
    command: str

    @property
    def alive(self) -> bool:
        now = _identify(self.number)
        return now is not None and now.started == self.started


@dataclass(frozen=True)
class Serving:
    """A running `drydock serve` (or another role) on `port`, with `data` as its folder."""

    popen: "subprocess.Popen[bytes]"
    port: int
    data: Path
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, **options: object) -> requests.Response:
        return requests.get(f"{self.url}{path}", timeout=10, **options)  # type: ignore[arg-type]

    def said(self) -> str:
        return self.log.read_text()

    def wait_for_line(self, *parts: str) -> str:
        """The first line of the log that has all the parts; a request's comes after its answer."""
        found: list[str] = []

        def look() -> bool:
            found[:] = [line for line in self.said().splitlines() if all(part in line for part in parts)]
            return bool(found)

        wait_until(look, seconds=5)
        return found[0]

    def wait_until_ready(self) -> None:
        wait_until(self._ready, seconds=30, alive=lambda: self.popen.poll() is None)

    def processes(self) -> list[Pid]:
        """Everything below it, grandchildren too."""
        return list(_below(self.popen.pid))

    def find(self, *words: str) -> list[Pid]:
        """Those below it whose command line has all the words."""
        return [found for found in self.processes() if all(word in found.command for word in words)]

    def _ready(self) -> bool:
        with suppress(requests.RequestException):
            return self.get("/health/instance").ok
        return False


@contextmanager
def running(
    data: Path, *arguments: str, port: int | None = None, env: Mapping[str, str] | None = None
) -> Iterator[Serving]:
    """Run `drydock serve` (or what `arguments` say) for a test; whatever is left in the end is killed."""
    port = port or free_port()
    log = data.parent / f"{data.name}-{port}.log"
    argv = [*COMMAND, *(arguments or ("serve",)), "--data", str(data), "--port", str(port)]
    with log.open("wb") as output:
        popen = subprocess.Popen(
            argv, env=env or environ(), stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    serving = Serving(popen, port, data, log)
    seen: list[Pid] = []
    try:
        yield serving
        seen = serving.processes()
    finally:
        popen.terminate()
        with suppress(subprocess.TimeoutExpired):
            popen.wait(8)
        popen.kill()
        popen.wait()
        for left in seen:
            if left.alive:
                os.kill(left.number, signal.SIGKILL)


def _below(number: int) -> Iterator[Pid]:
    for task in Path(f"/proc/{number}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, task.read_text().split()):
                if found := _identify(child):
                    yield found
                yield from _below(child)


def _identify(number: int) -> Pid | None:
    with suppress(OSError):
        stat = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
        command = Path(f"/proc/{number}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        if stat[0] != "Z":
            return Pid(number, stat[19], command)
    return None
