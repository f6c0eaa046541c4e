"""Every end-to-end test runs in each set-up that is promised to work."""

from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest

from tests.services.docker_engine import DockerEngine
from tests.services.drydock import Drydock, embedded, mixed, production
from tests.services.postgres import Postgres
from tests.services.redis import Redis
from tests.services.s3 import S3

# Tests serve archives on loopback.
_SETTINGS = {"OUTBOUND_ALLOWED_PRIVATE_HOSTS": "127.0.0.1,localhost"}


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
