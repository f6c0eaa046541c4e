"""Many clients at once: the same layer becomes one blob, and a new signing key is no failure for anybody."""

import os
import random
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import select

from models.tables import Blob, RepositoryBlob
from tests.e2e.clients.http import KeptAlive
from tests.e2e.clients.registry import Registry, config_of, digest_of, manifest_of
from tests.services.drydock import Drydock
from tests.stress.faults.reports import finish, opened, start_pushers

CLIENTS = 16


@pytest.mark.parametrize("size", [20_000, 7_000_000], ids=["small", "large"])
def test_a_layer_that_many_push_at_once_is_one_blob_and_one_object(
    drydock: Drydock, registry: Registry, size: int
) -> None:
    content, together = os.urandom(size), Barrier(CLIENTS)
    config = config_of("amd64", content)
    repositories = [f"admin/same-{size}-{number % 4}" for number in range(CLIENTS)]

    def push(repository: str) -> str:
        connection = KeptAlive()
        client = registry.on(connection)
        location = client.start_upload(repository)
        together.wait()
        digest = digest_of(content)
        client.call("PUT", repository, client.finishing(location, digest), body=content).expect(201)
        client.put_blob(repository, config)
        client.put_manifest(repository, "same", manifest_of(config, content))  # or collection takes the layer
        connection.close()
        return digest

    with ThreadPoolExecutor(CLIENTS) as pool:
        (digest,) = set(pool.map(push, repositories))

    for repository in set(repositories):
        assert registry.get_blob(repository, digest) == content
    with opened(drydock) as services, services.database.read() as session:
        (blob,) = session.scalars(select(Blob).where(Blob.digest == digest))
        assert len(session.scalars(select(RepositoryBlob).where(RepositoryBlob.blob_id == blob.id)).all()) == 4
        known = set(session.scalars(select(Blob.path)))
        there = [path for path, stat in services.storage.list("blobs") if stat.size == size]
    assert [path for path in there if path == blob.path] == [blob.path]
    assert set(there) <= known


def test_a_new_signing_key_is_no_failure_for_clients_at_work(
    drydock: Drydock, registry: Registry, dice: random.Random
) -> None:
    pushers = start_pushers(registry, "admin/keys", dice)
    assert "signed by the key" in drydock.command("secrets", "rotate-service-key")
    fresh = Registry(registry.url, ("admin", drydock.admin_password))
    fresh.push_image("admin/keys-0", "fresh", b"a layer")
    finish(pushers)
    for pusher in pushers:
        assert pusher.pushed
        assert pusher.failures == {}, pusher.bodies
