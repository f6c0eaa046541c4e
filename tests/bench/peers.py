"""The registries that are compared, each running with an empty store of its own."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tests.services.docker_registry import docker_registry
from tests.services.drydock import Drydock, embedded, mixed
from tests.services.postgres import postgres
from tests.services.redis import redis
from tests.services.s3 import Bucket, s3


@dataclass(frozen=True)
class Peer:
    """A registry. `login` opens it; None means that it asks nobody. `processes` are those that answer requests."""

    name: str
    url: str
    repository: str
    login: tuple[str, str] | None
    processes: Callable[[], list[int]] = list


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
            _peer("Drydock, embedded", small),
            _peer("Drydock, PostgreSQL", large),
        ]


@contextmanager
def running_on_s3() -> Iterator[tuple[Peer, Bucket]]:
    """Drydock with its blobs in a real S3 server, and the bucket."""
    with s3() as server:
        bucket = server.new_bucket()
        with embedded(settings={"DISTRIBUTED_STORAGE_CONFIG": json.dumps(bucket.storage_config())}) as drydock:
            yield _peer("Drydock, S3", drydock), bucket


def _peer(name: str, drydock: Drydock) -> Peer:
    return Peer(name, drydock.url, "admin/bench", ("admin", drydock.admin_password), drydock.web_processes)
