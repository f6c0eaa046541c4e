"""A build that cannot succeed ends in the right phase, says why, and leaves nothing behind."""

import os
import time
from collections.abc import Iterator

import pytest

from tests.e2e.clients.archives import ArchiveServer, tar_gz
from tests.e2e.clients.docker import log_in, push_base
from tests.e2e.clients.people import Person
from tests.e2e.clients.rest import ENDED, Build
from tests.services.docker_engine import DockerEngine
from tests.services.drydock import Drydock
from tests.services.ports import free_port
from tests.services.process import wait_until

# RUN takes `base:latest` from the engine itself only if it is in a registry: these builds start from one of Alice's.
SLEEPS = "FROM {base}\nRUN echo {mark} && sleep 60\n"


@pytest.fixture(scope="session")
def base(drydock: Drydock, docker_engine: DockerEngine, alice: Person) -> str:
    """A public base image with a shell, as a Dockerfile names it."""
    repository = f"{alice.name}/shell"
    alice.rest.create_repository(repository, visibility="public")
    return push_base(docker_engine, drydock, alice, f"{repository}:1")


@pytest.fixture
def secret_base(docker: DockerEngine, drydock: Drydock, bob: Person) -> str:
    """A private image of Bob's, which the engine has from an earlier pull of his."""
    name = push_base(docker, drydock, bob, f"{bob.name}/secret:1")
    log_in(docker, drydock, bob.name, bob.password)
    docker.docker("pull", name)
    return name


@pytest.fixture
def target(alice: Person, repository: str, docker_engine: DockerEngine) -> Iterator[str]:
    """A repository to build into; nothing of the builds may be left on the engine."""
    alice.rest.create_repository(repository)
    containers = docker_engine.docker("ps", "--all", "--quiet")
    images = set(docker_engine.docker("images", "--all", "--quiet").split())
    yield repository
    wait_until(lambda: docker_engine.docker("ps", "--all", "--quiet") == containers, seconds=10)
    assert set(docker_engine.docker("images", "--all", "--quiet", "--filter", "dangling=true").split()) <= images


def test_a_step_that_fails_is_the_builds_error(archives: ArchiveServer, alice: Person, target: str, base: str) -> None:
    build = alice.rest.build(target, archives.source(f"FROM {base}\nRUN echo almost\nRUN echo no more && false\n"))

    build.wait("error")

    log = build.logs()
    assert {"message": "no more"} in log
    (told,) = [entry["message"] for entry in log if entry.get("type") == "error"]
    assert "returned a non-zero code: 1" in told
    assert told == build.status()["error"]
    assert alice.rest.get(f"/repository/{target}/tag/")["tags"] == []


def test_a_dockerfile_that_nobody_understands_is_the_builds_error(
    archives: ArchiveServer, alice: Person, target: str, base: str
) -> None:
    assert "MAKE" in _error(alice.rest.build(target, archives.source(f"FROM {base}\nMAKE coffee\n"))).upper()


def test_a_missing_dockerfile_is_named(archives: ArchiveServer, alice: Person, target: str) -> None:
    source = archives.serve(tar_gz({"README": "nothing to build"}))

    assert "/sub/Dockerfile" in _error(alice.rest.build(target, source, subdirectory="/sub"))


def test_an_archive_that_nobody_serves_is_named(alice: Person, target: str) -> None:
    port = free_port()

    assert f"127.0.0.1:{port}" in _error(alice.rest.build(target, f"http://127.0.0.1:{port}/source.tar.gz"))


def test_an_archive_that_is_not_there_is_told(archives: ArchiveServer, alice: Person, target: str) -> None:
    assert "404" in _error(alice.rest.build(target, f"{archives.url}/no-such.tar.gz"))


def test_a_file_that_is_no_archive_is_told(archives: ArchiveServer, alice: Person, target: str) -> None:
    assert "archive" in _error(alice.rest.build(target, archives.serve(os.urandom(2000))))


@pytest.mark.parametrize("host", ["169.254.169.254", "10.1.2.3", "[::1]", "0.0.0.0"])
def test_an_archive_on_a_private_address_is_not_fetched(alice: Person, target: str, host: str) -> None:
    told = _error(alice.rest.build(target, f"http://{host}/latest/meta-data/"))

    assert "OUTBOUND_ALLOWED_PRIVATE_HOSTS" in told


def test_a_base_image_of_somebody_elses_is_not_used_even_if_the_engine_has_it(
    archives: ArchiveServer, alice: Person, target: str, secret_base: str
) -> None:
    copying = f"FROM scratch\nCOPY --from={secret_base} /etc/passwd /stolen\n"
    for dockerfile in (f"FROM {secret_base}\nLABEL a=b\n", copying):
        assert secret_base in _error(alice.rest.build(target, archives.source(dockerfile)))


def test_a_base_image_that_does_not_exist_is_named(
    archives: ArchiveServer, drydock: Drydock, alice: Person, target: str
) -> None:
    name = f"{drydock.registry}/{alice.name}/absent:1"

    assert name in _error(alice.rest.build(target, archives.source(f"FROM {name}\nLABEL a=b\n")))


def test_a_pull_robot_needs_somebody_who_administers_it(
    archives: ArchiveServer, alice: Person, bob: Person, target: str
) -> None:
    robot, _ = bob.rest.robot(None, "foreign")
    request = {"archive_url": archives.source("FROM scratch\n"), "pull_robot": robot}

    refused = alice.rest.call("POST", f"/repository/{target}/build/", request)

    assert refused.expect(403).json["error_type"] == "insufficient_scope"
    assert alice.rest.get(f"/repository/{target}/build/")["builds"] == []


def test_who_may_not_write_may_not_build(archives: ArchiveServer, bob: Person, target: str) -> None:
    request = {"archive_url": archives.source("FROM scratch\n")}

    bob.rest.call("POST", f"/repository/{target}/build/", request).expect(403)


def test_builds_are_cancelled_while_they_wait_and_while_they_run(
    archives: ArchiveServer, docker_engine: DockerEngine, alice: Person, target: str, base: str
) -> None:
    builds = [alice.rest.build(target, archives.source(SLEEPS.format(base=base, mark=n))) for n in range(3)]
    running, waiting = _sorted_out(builds)

    for build in waiting:
        build.cancel()
        assert build.phase == "cancelled"
    for build in running:
        wait_until(lambda build=build: _steps(build) == 2, seconds=20)  # type: ignore[misc]
        begun = time.monotonic()
        build.cancel()
        assert build.phase == "cancelled"
        wait_until(lambda build=build: build.logs()[-1]["message"] == "cancelled", seconds=2)  # type: ignore[misc]
        assert time.monotonic() - begun < 2
    wait_until(lambda: docker_engine.docker("ps", "--quiet") == "", seconds=5)


def test_a_build_whose_worker_is_killed_is_tried_again(
    archives: ArchiveServer, drydock: Drydock, alice: Person, target: str, base: str
) -> None:
    build = alice.rest.build(target, archives.source(f"FROM {base}\nRUN echo begun && sleep 4 && echo done\n"))
    wait_until(lambda: {"message": "begun"} in build.logs(), seconds=20)

    drydock.kill_worker()

    build.wait("complete", seconds=60)
    log = build.text()
    assert log.count("phase: building") == 2, log
    assert "Attempt 2 of 3" in log
    alice.registry.check_image(target, "latest")


def _error(build: Build) -> str:
    """The message of a build that must end in `error`."""
    build.wait("error")
    told = [entry["message"] for entry in build.logs() if entry.get("type") == "error"]
    assert told == [build.status()["error"]], build.text()
    return str(told[0])


def _sorted_out(builds: list[Build]) -> tuple[list[Build], list[Build]]:
    """Which of the builds run and which wait for a worker, once as many run as can."""
    wait_until(lambda: builds[0].phase == "building", seconds=30)
    time.sleep(1.5)  # a second worker, if there is one, has begun by then
    waiting = [build for build in builds if build.phase == "waiting"]
    assert waiting
    return [build for build in builds if build not in waiting], waiting


def _steps(build: Build) -> int:
    assert build.phase not in ENDED, build.text()
    return sum(entry.get("type") == "command" for entry in build.logs())
