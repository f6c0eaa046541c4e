"""The registries that are compared, each running with an empty store of its own."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tests.services.docker_registry import docker_registry
from tests.services.drydock import embedded, mixed
from tests.services.postgres import postgres
from tests.services.redis import redis


@dataclass(frozen=True)
class Peer:
    """A registry. `login` opens it; None means that it asks nobody."""

    name: str
    url: str
    repository: str
    login: tuple[str, str] | None


@contextmanager
def running_peers() -> Iterator[list[Peer]]:
    """Start them all; the first is the one that the others are compared with."""
    with ExitStack() as stack:
        reference = stack.enter_context(docker_registry())
        small = stack.enter_context(embedded())
        database = stack.enter_context(postgres()).new_database()
        queue = stack.enter_context(redis()).new_database()
        large = stack.enter_context(mixed(database=database, redis=queue))
        yield [
            Peer("docker-registry", reference, "bench/image", None),
            Peer("Drydock, embedded", small.url, "admin/bench", ("admin", small.admin_password)),
            Peer("Drydock, PostgreSQL", large.url, "admin/bench", ("admin", large.admin_password)),
        ]
