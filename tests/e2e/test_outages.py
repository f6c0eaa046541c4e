"""Something that Drydock stands on is away: the rest works, and what does not says so."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.e2e.clients.archives import ArchiveServer
from tests.e2e.clients.http import call
from tests.e2e.clients.people import Person, make_person
from tests.services.drydock import Drydock, embedded, mixed
from tests.services.postgres import Postgres
from tests.services.process import wait_until
from tests.services.redis import redis


@pytest.fixture(scope="module")
def without_engine() -> Iterator[Drydock]:
    """An installation whose Docker engine is not there."""
    with embedded(settings={"OUTBOUND_ALLOWED_PRIVATE_HOSTS": "127.0.0.1"}) as installation:
        yield installation


@pytest.fixture(scope="module")
def carol(without_engine: Drydock) -> Person:
    """Somebody who works there all the same."""
    return make_person(without_engine, "carol")


def test_without_an_engine_a_build_says_so_and_everything_else_works(
    carol: Person, archives: ArchiveServer, without_engine: Drydock
) -> None:
    carol.rest.create_repository("carol/app")
    build = carol.rest.build("carol/app", archives.source("FROM scratch\n"))

    carol.registry.push_image("carol/app", "1", b"a layer")
    carol.registry.check_image("carol/app", "1")
    call("GET", f"{without_engine.url}/health/instance").expect(200)

    build.wait("internalerror", seconds=60)
    assert "no Docker engine at" in build.status()["error"]
    assert "no-engine.sock: start dockerd or set BUILD_ENGINE_URL" in build.text()


def test_without_redis_images_are_pushed_and_pulled_and_health_tells(postgres: Postgres) -> None:
    with ExitStack() as outage, ExitStack() as stack:
        store = outage.enter_context(redis())
        database, queue = postgres.new_database(), store.new_database()
        installation = stack.enter_context(mixed(database=database, redis=queue))
        dave = make_person(installation, "dave")
        dave.registry.push_image("dave/app", "before", b"a layer")
        wait_until(lambda: call("GET", f"{installation.url}/health/endtoend").status == 200, seconds=20)

        outage.close()

        wait_until(lambda: _health(installation)["redis"] is False, seconds=20)
        assert _health(installation)["database"]
        assert _health(installation)["storage"]
        dave.registry.push_image("dave/app", "after", b"another layer")
        for tag in ("before", "after"):
            dave.registry.check_image("dave/app", tag)
        call("GET", f"{installation.url}/metrics").expect(200)


def _health(installation: Drydock) -> dict[str, bool]:
    """Which services one of the web processes believes to be well; its status must fit."""
    reply = call("GET", f"{installation.url}/health/endtoend")
    services: dict[str, bool] = reply.json["data"]["services"]
    assert reply.status == (200 if all(services.values()) else 503)
    return services
