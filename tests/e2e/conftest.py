"""Every end-to-end test runs in each set-up that is promised to work."""

import itertools
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.e2e.clients.archives import ArchiveServer
from tests.e2e.clients.docker import forget_images, log_in
from tests.e2e.clients.people import Person, make_person
from tests.e2e.clients.tools import Tools
from tests.services.containerd import containerd
from tests.services.docker_engine import DockerEngine
from tests.services.drydock import Drydock, embedded, mixed, production
from tests.services.postgres import Postgres
from tests.services.private_registry import private_registry as run_private_registry
from tests.services.redis import Redis
from tests.services.s3 import S3

# Tests serve archives on loopback.
_SETTINGS = {"OUTBOUND_ALLOWED_PRIVATE_HOSTS": "127.0.0.1,localhost"}
_numbers = itertools.count(1)


@pytest.fixture(scope="session", params=["embedded", "mixed", "production"])
def drydock(request: pytest.FixtureRequest, docker_engine: DockerEngine) -> Iterator[Drydock]:
    """A running installation; pytest orders the tests so that each set-up starts once."""
    with _set_up(request, docker_engine.host) as installation:
        yield installation


def _set_up(request: pytest.FixtureRequest, engine: str) -> AbstractContextManager[Drydock]:
    if request.param == "embedded":
        return embedded(engine=engine, settings=_SETTINGS)
    # Asked for here, so that the embedded set-up proves to need none of them.
    postgres: Postgres = request.getfixturevalue("postgres")
    redis: Redis = request.getfixturevalue("redis_server")
    database, queue = postgres.new_database(), redis.new_database()
    if request.param == "mixed":
        return mixed(database=database, redis=queue, engine=engine, settings=_SETTINGS)
    s3: S3 = request.getfixturevalue("s3")
    return production(database=database, redis=queue, bucket=s3.new_bucket(), engine=engine, settings=_SETTINGS)


@pytest.fixture(scope="session")
def alice(drydock: Drydock) -> Person:
    """Who most tests are about."""
    return make_person(drydock, "alice")


@pytest.fixture(scope="session")
def bob(drydock: Drydock) -> Person:
    """Somebody else, who has no rights in what is Alice's."""
    return make_person(drydock, "bob")


@pytest.fixture
def repository(alice: Person) -> str:
    """A name in Alice's namespace that nothing else uses: `alice/…`."""
    return f"{alice.name}/image-{next(_numbers)}"


@pytest.fixture(scope="session")
def organization(alice: Person) -> str:
    """An organization of Alice's."""
    alice.rest.post("/organization/", {"name": "works", "email": "works@example.com"})
    return "works"


@pytest.fixture(scope="session")
def archives() -> Iterator[ArchiveServer]:
    """A server of source archives on loopback."""
    with ArchiveServer().running() as server:
        yield server


@pytest.fixture(scope="session")
def tools(docker_engine: DockerEngine) -> Iterator[Tools]:
    """skopeo, podman, buildah and ctr, with nothing stored yet."""
    # Not one of pytest's folders: podman wants a short name.
    with TemporaryDirectory(prefix="drydock-tools-") as folder, containerd() as socket:
        yield Tools(Path(folder), docker_host=docker_engine.host, containerd=socket)


@pytest.fixture
def docker(docker_engine: DockerEngine, drydock: Drydock, alice: Person) -> Iterator[DockerEngine]:
    """The docker client, logged in as Alice; whatever the test did, logged out and without this registry's images."""
    log_in(docker_engine, drydock, alice.name, alice.password)
    yield docker_engine
    docker_engine.docker("logout", drydock.registry)
    forget_images(docker_engine, drydock)


@pytest.fixture(scope="session")
def private_registry() -> Iterator[str]:
    """`host:port` of a registry that only `READER` may use."""
    with run_private_registry() as host:
        yield host
