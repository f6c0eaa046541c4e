"""How long a build takes by the API and by hand, and how long workers are idle between two of many.

By hand is `docker build` and `docker push` of the same context on the same engine, from an image of the same registry.
Cold: no step is taken over from an earlier build. Warm: the engine may take over what it can.
"""

import argparse
import os
import secrets
import sqlite3
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from tests.e2e.clients.archives import ArchiveServer
from tests.e2e.clients.docker import log_in, push_base
from tests.e2e.clients.people import Person, make_person
from tests.services.docker_engine import DockerEngine, docker_engine
from tests.services.drydock import Drydock, embedded

FACTOR, SPARE_S = 1.1, 2.0
"""What the API's time has to stay below: so many times as much as by hand, and so much more."""
MOST_IDLE_S = 0.3
STEPS = "COPY data /data\nRUN sleep 1; md5sum /data > /sum\nRUN sleep 1\nCOPY unique /unique\n"


@dataclass(frozen=True)
class Site:
    """Where builds are made."""

    engine: DockerEngine
    drydock: Drydock
    archives: ArchiveServer
    person: Person
    base: str

    def by_hand(self, files: dict[str, str], *, cache: bool) -> float:
        """The seconds of `docker build` and `docker push`."""
        name = f"{self.drydock.registry}/{self.person.name}/by-hand:latest"
        with tempfile.TemporaryDirectory() as folder:
            for file, content in files.items():
                Path(folder, file).write_text(content)
            begun = time.monotonic()
            flags = [] if cache else ["--no-cache"]
            argv = ["docker", "--host", self.engine.host, "build", "--pull", *flags, "--tag", name, folder]
            environ = {**os.environ, "DOCKER_BUILDKIT": "0"}
            subprocess.run(argv, env=environ, check=True, capture_output=True)
            self.engine.docker("push", name)
            return time.monotonic() - begun

    def by_api(self, files: dict[str, str]) -> float:
        """The seconds from asking for the build to its end."""
        rest = {name: content for name, content in files.items() if name != "Dockerfile"}
        url = self.archives.source(files["Dockerfile"], **rest)
        begun = time.monotonic()
        build = self.person.rest.build(f"{self.person.name}/by-api", url)
        build.wait("complete", seconds=120)
        return time.monotonic() - begun


def main(arguments: Sequence[str]) -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench builds", description=__doc__)
    parser.add_argument("--kind", choices=("docker", "buildkit"), default="docker", help="BUILD_ENGINE")
    parser.add_argument("--size", type=int, default=16, help="MiB of the context")
    parser.add_argument("--small", type=int, default=20, help="small builds that two workers do")
    given = parser.parse_args(arguments)
    with ExitStack() as stack:
        site = _site(stack, given.kind)
        compare(site, given.size)
        idle = idle_times(site, given.small)
        _show_idle(idle)


def compare(site: Site, size: int) -> None:
    """Print what builds take by hand and by the API."""
    site.by_hand({"Dockerfile": f"FROM {site.base}\nLABEL warming=up\n"}, cache=False)
    for cache in (False, True):
        data = secrets.token_hex(size << 19)
        files = {"Dockerfile": f"FROM {site.base}\n{STEPS}", "data": data, "unique": "1"}
        if cache:  # what was built before is there to be taken over
            site.by_hand(files, cache=True)
            site.by_api(files)
        hand = site.by_hand({**files, "unique": "2"}, cache=cache)
        if not cache:
            files["data"] = secrets.token_hex(size << 19)  # the registry has none of its layers either
        api = site.by_api({**files, "unique": "3"})
        most = FACTOR * hand + SPARE_S
        verdict = "is" if api <= most else "IS NOT"
        print(  # noqa: T201
            f"{'warm' if cache else 'cold'}: by hand {hand:.2f} s, by the API {api:.2f} s; "
            f"that {verdict} below {FACTOR} x + {SPARE_S:g} s = {most:.2f} s"
        )


def idle_times(site: Site, count: int) -> list[float]:
    """The seconds that a worker did nothing between two builds that were both there to be done."""
    url = site.archives.source(f"FROM {site.base}\nLABEL small=yes\n")
    builds = [site.person.rest.build(f"{site.person.name}/by-api", url) for _ in range(count)]
    for build in builds:
        build.wait("complete", seconds=120)
    marks = ",".join("?" * count)
    query = f"SELECT owner, started_at, finished_at FROM job WHERE uuid IN ({marks}) ORDER BY started_at"
    with sqlite3.connect(f"file:{site.drydock.data}/drydock.db?mode=ro", uri=True) as database:
        rows = database.execute(query, [build.uuid for build in builds]).fetchall()
    by_worker = defaultdict(list)
    for owner, started, finished in rows:
        by_worker[owner.rpartition(":")[2]].append((datetime.fromisoformat(started), datetime.fromisoformat(finished)))
    return [(later[0] - former[1]).total_seconds() for times in by_worker.values() for former, later in pairwise(times)]


def _show_idle(idle: Sequence[float]) -> None:
    ordered = sorted(idle)
    median, most = statistics.median(ordered), ordered[-1]
    told = f"median {median * 1000:.0f} ms, longest {most * 1000:.0f} ms"
    verdict = "is" if median < MOST_IDLE_S else "IS NOT"
    print(f"idle between {len(idle) + 2} small builds on 2 workers: {told}; that {verdict} below {MOST_IDLE_S:g} s")  # noqa: T201


def _site(stack: ExitStack, kind: str) -> Site:
    engine = stack.enter_context(docker_engine())
    engine.base_image()
    archives = stack.enter_context(ArchiveServer().running())
    settings = {"OUTBOUND_ALLOWED_PRIVATE_HOSTS": "127.0.0.1", "BUILD_WORKERS": "2"}
    if kind != "docker":
        settings["BUILD_ENGINE"] = kind
    drydock = stack.enter_context(embedded(engine=engine.host, settings=settings))
    person = make_person(drydock, "builder")
    for name in ("by-hand", "by-api", "base"):
        person.rest.create_repository(f"builder/{name}", visibility="public")
    base = push_base(engine, drydock, person, "builder/base:1")
    log_in(engine, drydock, person.name, person.password)
    return Site(engine, drydock, archives, person, base)
