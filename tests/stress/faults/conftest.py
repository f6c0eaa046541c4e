"""Installations of their own, on servers of their own, that are made to fail in the middle of everything."""

import os
import random
import secrets
from collections.abc import Iterator

import pytest

from tests.e2e.clients.registry import Registry
from tests.services.drydock import Drydock, embedded, production
from tests.services.postgres import Postgres
from tests.services.postgres import postgres as run_postgres
from tests.services.redis import Redis
from tests.services.s3 import S3
from tests.services.s3 import s3 as run_s3
from tests.stress.faults.reports import PROTECTION_S

SETTINGS = {
    # Collection has something to do, every second: what nothing names goes soon.
    "GARBAGE_COLLECTION_FREQUENCY": "1",
    "PUSH_TEMP_TAG_EXPIRATION_SEC": str(PROTECTION_S),
    "DEFAULT_TAG_EXPIRATION": "0s",
    "BUILD_WORKERS": "1",
}


@pytest.fixture(scope="package")
def postgres() -> Iterator[Postgres]:
    """A server that nobody else needs."""
    with run_postgres() as server:
        yield server


@pytest.fixture(scope="package")
def s3() -> Iterator[S3]:
    """A server that nobody else needs."""
    with run_s3() as server:
        yield server


@pytest.fixture(scope="package", params=["embedded", "production"])
def drydock(request: pytest.FixtureRequest) -> Iterator[Drydock]:
    """SQLite and a folder; PostgreSQL and S3, two web processes behind nginx."""
    if request.param == "embedded":
        with embedded(settings=SETTINGS) as installation:
            yield installation
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    redis: Redis = request.getfixturevalue("redis_server")
    s3: S3 = request.getfixturevalue("s3")
    database, queue = postgres.new_database(), redis.new_database()
    with production(database=database, redis=queue, bucket=s3.new_bucket(), settings=SETTINGS) as installation:
        yield installation


@pytest.fixture(scope="package")
def registry(drydock: Drydock) -> Registry:
    """The administrator's client, who is there from the start."""
    return Registry(drydock.url, ("admin", drydock.admin_password))


@pytest.fixture
def dice() -> random.Random:
    """Chance, told so that it can be repeated: STRESS_SEED."""
    seed = int(os.environ.get("STRESS_SEED", secrets.randbelow(10**6)))
    print(f"STRESS_SEED={seed}")  # noqa: T201 - shown with a failure
    return random.Random(seed)
