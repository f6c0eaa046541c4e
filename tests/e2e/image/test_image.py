"""The Dockerfile gives an image that a real engine builds and runs, without privileges and on a read-only root."""

import json
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.services.base_image import base_rootfs, wheels
from tests.services.docker_engine import DockerEngine
from tests.services.ports import free_port
from tests.services.process import wait_until

ROOT = Path(__file__).parents[3]
BASE = "python-base:latest"


@pytest.fixture(scope="module")
def image(docker_engine: DockerEngine, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The product's image, built from this tree without network: base image and packages are at hand."""
    docker_engine.import_image(BASE, base_rootfs())
    version = "import sys; print('%d.%d' % sys.version_info[:2])"
    python = docker_engine.docker("run", "--rm", BASE, "python3", "-c", version)
    context = tmp_path_factory.mktemp("context") / "drydock"
    shutil.copytree(ROOT, context, ignore=shutil.ignore_patterns(".git", ".venv", "__pycache__", "data", ".*_cache"))
    shutil.copytree(wheels(python), context / "wheels")
    arguments = {"BASE": BASE, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/opt/drydock/wheels"}
    options = [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
    docker_engine.docker("build", "--tag", "drydock", "--network", "none", *options, context)
    return "drydock"


@pytest.fixture(scope="module")
def container(docker_engine: DockerEngine, image: str) -> Iterator[tuple[str, int]]:
    """The image as it runs with nothing but a port: (container's id, port)."""
    port = free_port()
    hardened = ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    identifier = docker_engine.docker("run", "--detach", *hardened, "--publish", f"127.0.0.1:{port}:8080", image)
    yield identifier, port
    docker_engine.docker("rm", "--force", "--volumes", identifier)


def test_the_image_adds_little_to_its_base(docker_engine: DockerEngine, image: str) -> None:
    added = _inspect(docker_engine, image)["Size"] - _inspect(docker_engine, BASE)["Size"]
    assert added < 200_000_000


def test_the_image_does_not_run_as_root_and_says_how_it_is_used(docker_engine: DockerEngine, image: str) -> None:
    settings = _inspect(docker_engine, image)["Config"]
    assert settings["User"] == "10001:10001"
    assert settings["Entrypoint"] == ["drydock"]
    assert list(settings["ExposedPorts"]) == ["8080/tcp"]
    assert list(settings["Volumes"]) == ["/data"]


def test_nothing_of_the_build_is_left_in_the_image(docker_engine: DockerEngine, image: str) -> None:
    listing = docker_engine.docker("run", "--rm", "--entrypoint", "ls", image, "/opt/drydock", "/opt/drydock/.venv/bin")
    assert "pyproject.toml" in listing
    assert not {"wheels", "tests", "pip", "requirements.lock"} & set(listing.split())
    assert "PIP_" not in docker_engine.docker("history", "--no-trunc", image)


def test_a_container_becomes_healthy_and_serves(docker_engine: DockerEngine, container: tuple[str, int]) -> None:
    identifier, port = container
    wait_until(lambda: _health(docker_engine, identifier) == "healthy", seconds=60, pause=0.5)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/instance", timeout=5) as answer:
        assert answer.status == 200


def test_a_container_ends_in_good_time(docker_engine: DockerEngine, container: tuple[str, int]) -> None:
    identifier, _ = container
    docker_engine.docker("stop", "--time", "30", identifier)
    assert _inspect(docker_engine, identifier)["State"]["ExitCode"] == 0


def _health(engine: DockerEngine, container: str) -> str:
    state = _inspect(engine, container)["State"]
    if not state["Running"]:
        raise AssertionError(f"the container has ended:\n{engine.docker('logs', container)}")
    return str(state["Health"]["Status"])


def _inspect(engine: DockerEngine, name: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = json.loads(engine.docker("inspect", name))
    return found[0]
