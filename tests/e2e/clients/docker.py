"""What tests do with the docker client again and again."""

from tests.e2e.clients.people import Person
from tests.services.docker_engine import DockerEngine
from tests.services.drydock import Drydock


def log_in(engine: DockerEngine, drydock: Drydock, name: str, password: str) -> None:
    """`docker login`; fails with what docker says."""
    said = engine.docker("login", "--username", name, "--password-stdin", drydock.registry, stdin=password.encode())
    assert "Login Succeeded" in said


def push_base(engine: DockerEngine, drydock: Drydock, person: Person, reference: str) -> str:
    """Push the image `base:latest` as `namespace/repository:tag`; the name that a Dockerfile knows it by.

    Afterwards the engine neither has it nor is logged in.
    """
    name = f"{drydock.registry}/{reference}"
    log_in(engine, drydock, person.name, person.password)
    engine.docker("tag", "base:latest", name)
    engine.docker("push", name)
    engine.docker("rmi", name)
    engine.docker("logout", drydock.registry)
    return name


def forget_images(engine: DockerEngine, drydock: Drydock) -> None:
    """Remove all images of the registry from the engine."""
    listed = engine.docker("images", "--format", "{{.Repository}}:{{.Tag}}@{{.Digest}}", f"{drydock.registry}/*/*")
    for line in set(listed.split()):
        name, _, digest = line.partition("@")
        repository, _, tag = name.rpartition(":")
        engine.docker("rmi", "--force", f"{repository}@{digest}" if tag == "<none>" else name)
