"""Many pushes beside a running build: nobody is turned away, and no lock is fought over."""

import os
import re
from concurrent.futures import ThreadPoolExecutor

from tests.e2e.clients.archives import ArchiveServer
from tests.e2e.clients.docker import push_base
from tests.e2e.clients.people import Person
from tests.services.docker_engine import DockerEngine
from tests.services.drydock import Drydock
from tests.services.process import wait_until

PUSHERS = 8
IMAGES_EACH = 3
BAD = re.compile(r".*(?:status=5\d\d|database is locked|Traceback|deadlock).*", re.IGNORECASE)


def test_eight_pushers_and_a_build_get_along(
    drydock: Drydock, docker_engine: DockerEngine, archives: ArchiveServer, alice: Person, repository: str
) -> None:
    alice.rest.create_repository(f"{repository}-base", visibility="public")
    base = push_base(docker_engine, drydock, alice, f"{repository}-base:1")
    alice.rest.create_repository(f"{repository}-built")
    loud = "i=0; while [ $i -lt 400 ]; do echo line $i; i=$(($i + 1)); done; sleep 1"
    mark = drydock.log_size()
    build = alice.rest.build(f"{repository}-built", archives.source(f"FROM {base}\nRUN {loud}\nRUN {loud}\n"))
    wait_until(lambda: build.phase == "building", seconds=30)

    with ThreadPoolExecutor(PUSHERS) as pool:
        pushed = list(pool.map(lambda number: _push_images(alice, f"{repository}-{number}"), range(PUSHERS)))

    assert build.phase in {"building", "pushing", "complete"}
    build.wait("complete")
    assert BAD.findall(drydock.log_since(mark)) == []
    for number, digests in enumerate(pushed):
        for digest in digests:
            alice.registry.check_image(f"{repository}-{number}", digest)


def _push_images(person: Person, repository: str) -> list[str]:
    """Push images of two layers each, one of them shared; their digests."""
    registry, shared = person.registry.at(person.registry.url), os.urandom(300_000)
    return [registry.push_image(repository, f"t{number}", shared, os.urandom(100_000)) for number in range(IMAGES_EACH)]
