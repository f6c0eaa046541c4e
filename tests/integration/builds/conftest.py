"""Builds with real servers around them: Redis, an engine, a registry to push to, and a worker process."""

import os
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import select

from buildworker.runtime import Runtime
from config.load import load_settings
from config.secrets import ensure_secrets
from models.access import Identity, find_repository
from models.builds import Source, find_build, start_build
from models.migrate import upgrade
from models.opening import open_database
from models.queue import WakeUps, open_redis
from models.tables import Account, Build
from storage.memory import MemoryStorage
from tests.factories.world import make_world
from tests.services import process
from tests.services.docker_engine import DockerEngine
from tests.services.process import Server, wait_until


@pytest.fixture
def redis(fresh_redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(fresh_redis_url) as client:
        yield client


@pytest.fixture
def environ(tmp_path: Path, fresh_redis_url: str) -> dict[str, str]:
    """The settings of an installation of its own, on SQLite."""
    return {
        "DRYDOCK_DATA": str(tmp_path / "data"),
        "DRYDOCK_REDIS_URL": fresh_redis_url,
        "DRYDOCK_OUTBOUND_ALLOWED_PRIVATE_HOSTS": "127.0.0.1",
        "DRYDOCK_BUILD_HEARTBEAT_SEC": "1",
        "DRYDOCK_BUILD_HEARTBEAT_TIMEOUT_SEC": "2",
    }


@pytest.fixture
def runtime(environ: dict[str, str]) -> Iterator[Runtime]:
    """The installation, its tables made and its people in it."""
    settings = ensure_secrets(load_settings(None, environ))
    redis = open_redis(settings)
    database = open_database(settings, on_wake=WakeUps(redis).send)
    upgrade(database)
    with database.write() as session:
        make_world(session)
    yield Runtime(settings, database, MemoryStorage(), redis)
    database.dispose()
    redis.close()


@dataclass
class Site:
    """Archives to build from, on loopback."""

    folder: Path
    port: int

    def put(self, name: str, dockerfile: str) -> str:
        """The URL of an archive with this Dockerfile."""
        content = dockerfile.encode()
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(content)
        with tarfile.open(self.folder / name, "w:gz") as tar:
            tar.addfile(entry, BytesIO(content))
        return f"http://127.0.0.1:{self.port}/{name}"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "site"
    folder.mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Site(folder, server.server_address[1])
        server.shutdown()
        thread.join()


def ask(runtime: Runtime, url: str, **rest: Any) -> str:
    """Ask for a build in acme/app; its uuid."""
    with runtime.database.write() as session:
        repository = find_repository(session, "acme", "app")
        owner = session.scalars(select(Account).where(Account.name == "owner")).one()
        assert repository is not None
        options = {"tags": ["latest"], "pull_robot": None, "limit": None, **rest}
        actor = Identity(kind="user", account_id=owner.id, name="owner")
        return start_build(session, repository, Source(url, None, "/Dockerfile", "/"), actor=actor, **options).uuid


def look(runtime: Runtime, uuid: str) -> Build:
    with runtime.database.read() as session:
        build = find_build(session, uuid)
        assert build is not None
        return build


def await_phase(runtime: Runtime, uuid: str, *phases: str, seconds: float = 60) -> Build:
    """Wait until the build is in one of these phases, or has ended."""

    def arrived() -> bool:
        job = look(runtime, uuid).job
        return job.phase in phases or job.state == "finished"

    try:
        wait_until(arrived, seconds=seconds)
    except TimeoutError as exc:
        told = runtime.redis.lrange(f"builds/{uuid}/logs", 0, -1)
        raise AssertionError(f"still {look(runtime, uuid).job.phase}: {told}") from exc
    build = look(runtime, uuid)
    assert build.job.phase in phases, build.job.error
    return build


@dataclass
class Workers:
    """Starts worker processes; `images` is what Dockerfiles may begin with, `host` the registry pushed to."""

    environ: dict[str, str]
    redis: Redis
    engine: DockerEngine
    host: str

    @property
    def base(self) -> str:
        return f"{self.host}/base"

    def start(self, *, ready: Callable[[], bool] | None = None) -> Server:
        before = self.redis.scard("rq:workers") if ready is None else 0
        return process.start(
            "worker",
            [sys.executable, "-P", "-m", "cli.main", "worker", "--queues", "builds"],
            ready=ready or (lambda: self.redis.scard("rq:workers") > before),
            env={**os.environ, **self.environ},
            cwd=Path(__file__).parents[3],
        )


def horse_of(worker: Server) -> int:
    """The process that the worker forked for its job."""
    children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children")
    wait_until(lambda: bool(children.read_text().split()), seconds=20)
    return int(children.read_text().split()[0])


@contextmanager
def shorter_than(seconds: float) -> Iterator[None]:
    begun = time.monotonic()
    yield
    took = time.monotonic() - begun
    assert took < seconds, f"took {took:.2f} s"


@pytest.fixture
def workers(
    environ: dict[str, str], redis: Redis, docker_engine: DockerEngine, docker_registry_url: str
) -> Iterator[Workers]:
    host = docker_registry_url.removeprefix("http://")
    environ["DRYDOCK_BUILD_ENGINE_URL"] = docker_engine.host
    environ["DRYDOCK_BUILD_REGISTRY_HOSTNAME"] = host
    docker_engine.docker("tag", "base:latest", f"{host}/base")
    docker_engine.docker("push", f"{host}/base")
    docker_engine.docker("rmi", f"{host}/base")
    before = set(process.running())
    yield Workers(environ, redis, docker_engine, host)
    for server in set(process.running()) - before:
        server.stop()
