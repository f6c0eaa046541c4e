"""A source archive becomes an image: asked for by REST, built by the engine, pulled and run with docker."""

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.clients.archives import ArchiveServer, tar_gz, zipped
from tests.e2e.clients.docker import push_base
from tests.e2e.clients.people import Person
from tests.e2e.clients.rest import Build
from tests.services.docker_engine import DockerEngine
from tests.services.drydock import Drydock

PHASES = ["build-scheduled", "unpacking", "pulling", "building", "pushing", "complete"]


@pytest.fixture
def engine_is_left_clean(docker_engine: DockerEngine) -> Iterator[None]:
    """What a build makes on the engine is gone afterwards."""
    before = _held(docker_engine)
    yield
    assert _held(docker_engine) == before


@dataclass(frozen=True)
class Works:
    """An organization with a private base image, as a Dockerfile names it, and a robot that may read that only."""

    name: str
    base: str
    robot: str


@pytest.fixture(scope="session")
def works(docker_engine: DockerEngine, drydock: Drydock, alice: Person, organization: str) -> Works:
    """What builds stand on."""
    base = push_base(docker_engine, drydock, alice, f"{organization}/base:1")
    robot, _ = alice.rest.robot(organization, "puller")
    alice.rest.permit(f"{organization}/base", robot, "read")
    return Works(organization, base, robot)


def test_an_archive_becomes_an_image_on_a_private_base(
    docker: DockerEngine, drydock: Drydock, archives: ArchiveServer, alice: Person, works: Works
) -> None:
    repository = f"{works.name}/app"
    alice.rest.create_repository(repository)
    steps = [f"FROM {works.base}", "RUN echo first-step", "RUN echo second-step && sleep 2 && echo still-running"]
    steps += ["COPY greeting /greeting", 'CMD ["cat", "/greeting"]']
    source = archives.source("\n".join(steps), greeting="hello from a build")

    build = alice.rest.build(repository, source, docker_tags=["latest", "v1"], pull_robot=works.robot)
    live = _follow(build)

    assert build.phase == "complete", build.text()
    _check_log(live, build, steps)
    tags = alice.rest.get(f"/repository/{repository}/tag/")["tags"]
    assert sorted(tag["name"] for tag in tags) == ["latest", "v1"]
    assert {tag["manifest_digest"] for tag in tags} == {build.status()["image_digest"]}
    for tag in ("latest", "v1"):
        name = f"{drydock.registry}/{repository}:{tag}"
        docker.docker("pull", name)
        assert docker.docker("run", "--rm", name) == "hello from a build"


@pytest.mark.usefixtures("engine_is_left_clean")
def test_the_dockerfile_and_the_context_may_be_in_different_folders(
    archives: ArchiveServer, alice: Person, repository: str
) -> None:
    alice.rest.create_repository(repository)
    files = {"docker/Dockerfile": "FROM scratch\nCOPY here /here\n", "source/here": "x", "source/.dockerignore": "no"}
    source = archives.serve(tar_gz({**files, "source/no": "never", "Dockerfile": "FROM wrong"}))

    build = alice.rest.build(repository, source, dockerfile_path="/docker/Dockerfile", context="/source")

    build.wait("complete")
    assert (build.status()["dockerfile_path"], build.status()["context"]) == ("/docker/Dockerfile", "/source")
    alice.registry.check_image(repository, "latest")


@pytest.mark.usefixtures("engine_is_left_clean")
def test_a_subdirectory_of_a_zip_is_built(archives: ArchiveServer, alice: Person, repository: str) -> None:
    alice.rest.create_repository(repository)
    files = {"app/Dockerfile": "FROM scratch\nCOPY code /code\nLABEL made=zip\n", "app/code": os.urandom(8).hex()}

    build = alice.rest.build(repository, archives.serve(zipped(files), "zip"), subdirectory="/app", docker_tags=["z"])

    build.wait("complete")
    manifest = alice.registry.get_manifest(repository, "z")
    assert b'"made":"zip"' in alice.registry.get_blob(repository, manifest["config"]["digest"])


def test_several_stages_and_arguments_are_built(
    archives: ArchiveServer, alice: Person, repository: str, works: Works
) -> None:
    alice.rest.create_repository(repository)
    stages = (
        f"ARG BASE={works.base}\nFROM $BASE AS make\nRUN echo made > /made\nFROM scratch\nCOPY --from=make /made /\n"
    )

    build = alice.rest.build(repository, archives.source(stages), pull_robot=works.robot)

    _, *events, end = build.events()
    assert (end["event"], json.loads(end["data"])["phase"]) == ("end", "complete"), build.text()
    assert [json.loads(event["data"]) for event in events] == build.logs()
    assert len(alice.registry.get_manifest(repository, "latest")["layers"]) == 1
    _check_provenance(alice, repository, build, works.base)


def _check_provenance(alice: Person, repository: str, build: Build, base: str) -> None:
    """What is attached to the image tells what it was made of, and names this very image; it has no tag."""
    shown = build.status()
    (listed,) = (
        alice.registry.call("GET", repository, f"referrers/{shown['image_digest']}").expect(200).json["manifests"]
    )
    assert (listed["artifactType"], listed["digest"]) == (
        "application/vnd.in-toto+json",
        shown["inputs"]["provenance"],
    ), build.text()
    attached = alice.registry.get_manifest(repository, listed["digest"])
    assert attached["subject"]["digest"] == shown["image_digest"]
    (layer,) = attached["layers"]
    statement = json.loads(alice.registry.get_blob(repository, layer["digest"]))
    assert statement["subject"][0]["digest"]["sha256"] == shown["image_digest"].partition(":")[2]
    named = {each["uri"]: each["digest"] for each in statement["predicate"]["buildDefinition"]["resolvedDependencies"]}
    name, _, tag = base.partition("/")[2].rpartition(":")
    of_base = alice.registry.call("HEAD", name, f"manifests/{tag}").expect(200).headers["Docker-Content-Digest"]
    assert named[f"docker://{base}"] == {"sha256": of_base.partition(":")[2]}
    assert statement["predicate"]["runDetails"]["metadata"]["invocationId"].endswith(build.uuid)
    assert [tag["name"] for tag in alice.rest.get(f"/repository/{repository}/tag/")["tags"]] == ["latest"]


def test_builds_are_listed_and_their_logs_stay(archives: ArchiveServer, alice: Person, repository: str) -> None:
    alice.rest.create_repository(repository)
    builds = [alice.rest.build(repository, archives.source(f"FROM scratch\nLABEL n={number}\n")) for number in (1, 2)]
    for build in builds:
        build.wait("complete")

    listed = alice.rest.get(f"/repository/{repository}/build/")["builds"]

    assert [entry["id"] for entry in listed] == [build.uuid for build in reversed(builds)]
    end = time.monotonic() + 10
    while "logs_url" not in alice.rest.get(f"{builds[0].path}/logs"):
        assert time.monotonic() < end, "the log was not archived"
        time.sleep(0.2)
    assert builds[0].logs()[-1]["message"] == "complete"


def _held(engine: DockerEngine) -> tuple[set[str], set[str]]:
    return set(engine.docker("images", "--all", "--quiet").split()), set(
        engine.docker("ps", "--all", "--quiet").split()
    )


def _follow(build: Build) -> list[dict[str, Any]]:
    """Read the log as a page does, from where it stopped; each entry with the phase in which it was seen."""
    entries: list[dict[str, Any]] = []
    end = time.monotonic() + 90
    while True:
        phase = build.phase
        entries += [{**entry, "seen": phase} for entry in build.logs(len(entries))]
        if phase in {"complete", "error", "internalerror", "cancelled"}:
            return entries
        assert time.monotonic() < end, f"the build is still {phase}"
        time.sleep(0.2)


def _check_log(live: list[dict[str, Any]], build: Build, steps: list[str]) -> None:
    """The live log is what is read afterwards; it has all phases, and the steps' output came while they ran."""
    told = [{key: value for key, value in entry.items() if key != "seen"} for entry in live]
    whole = build.logs()
    assert whole[: len(told)] == told
    assert [entry["message"] for entry in whole if entry.get("type") == "phase"] == PHASES
    commands = [entry["message"].partition(" : ")[2] for entry in whole if entry.get("type") == "command"]
    assert commands[: len(steps)] == steps
    seen = {entry["message"]: entry["seen"] for entry in live}
    assert seen["second-step"] == "building"
    assert {"first-step", "still-running"} <= set(seen)
