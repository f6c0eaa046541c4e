"""How long a line takes from the build that prints it to who follows its log, with many builds at once.

Builds write as their worker does (`buildworker.logs`), each followed over HTTP as server-sent events, on the embedded
set-up with a Redis beside it. Times are wall-clock times of one machine, on which the writers are, too.
"""

import argparse
import http.client
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from redis import Redis

from buildworker.logs import BuildLog
from tests.e2e.clients.rest import Rest
from tests.services.drydock import Drydock, embedded
from tests.services.redis import redis as run_redis

MOST_S = 1.0
"""What the 95th percentile has to stay below."""


class Reader(threading.Thread):
    """Follows one build's log, and notes how old each line is when it comes."""

    def __init__(self, drydock: Drydock, token: str, path: str, lines: int) -> None:
        super().__init__(daemon=True)
        self.ages: list[float] = []
        self._connection = http.client.HTTPConnection("127.0.0.1", drydock.port, timeout=60)
        self._connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        self._answer = self._connection.getresponse()
        if self._answer.status != http.client.OK:
            raise AssertionError(f"{path}: {self._answer.status} {self._answer.read()!r}")
        self._lines = lines

    def run(self) -> None:
        while len(self.ages) < self._lines and (line := self._answer.readline()):
            if line.startswith(b"data: "):
                self.ages.append(time.time() - float(json.loads(line[6:])["message"]))
        self._connection.close()


def main(arguments: Sequence[str]) -> None:
    """Measure, and print percentiles."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench logs", description=__doc__)
    parser.add_argument("--builds", type=int, default=50)
    parser.add_argument("--rate", type=int, default=1000, help="lines a second, of all builds")
    parser.add_argument("--seconds", type=int, default=10)
    given = parser.parse_args(arguments)
    ages = measure(given.builds, given.rate, given.seconds)
    shown = {percent: statistics.quantiles(ages, n=100)[percent - 1] for percent in (50, 95, 99)}
    told = ", ".join(f"p{percent} {age * 1000:.0f} ms" for percent, age in shown.items())
    print(f"{len(ages)} lines of {given.builds} builds, {given.rate} a second: {told}, max {max(ages) * 1000:.0f} ms")  # noqa: T201
    print(f"p95 has to be below {MOST_S * 1000:.0f} ms: {'it is' if shown[95] < MOST_S else 'IT IS NOT'}")  # noqa: T201


def measure(builds: int, rate: int, seconds: int) -> list[float]:
    """The age in seconds of every line when its reader had it."""
    with ExitStack() as stack:
        url = stack.enter_context(run_redis()).url()
        settings = {"REDIS_URL": url, "BUILD_WORKERS": "0"}
        drydock = stack.enter_context(embedded(settings=settings))
        token = drydock.token("admin", "repo:read repo:write repo:create repo:admin")
        rest = Rest(drydock.url, token)
        rest.create_repository("admin/app")
        uuids = [rest.build("admin/app", "https://example.com/a.tgz").uuid for _ in range(builds)]
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis = stack.enter_context(Redis.from_url(url))
        logs = [BuildLog(redis, uuid, folder / uuid, max_bytes=1 << 30) for uuid in uuids]
        lines = rate * seconds // builds
        paths = [f"/api/v1/repository/admin/app/build/{uuid}/logs/stream" for uuid in uuids]
        readers = [Reader(drydock, token, path, lines) for path in paths]
        for reader in readers:
            reader.start()
        begun = time.monotonic()
        for number in range(lines):
            for log in logs:
                log.output(f"{time.time():.6f}")
            time.sleep(max(begun + (number + 1) * builds / rate - time.monotonic(), 0))
        for reader in readers:
            reader.join(60)
        for log in logs:
            log.close(archived=True)
        if short := [len(reader.ages) for reader in readers if len(reader.ages) < lines]:
            raise AssertionError(f"readers got {short} of {lines} lines")
        return [age for reader in readers for age in reader.ages]
