"""A worker's process without a worker: builds are run by a call, on an engine in memory and without Redis."""

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from redis import Redis
from sqlalchemy import select

from buildworker import builds
from buildworker.runtime import Runtime
from buildworker.stop import Stop
from config.settings import Settings
from models import jobs
from models.access import Identity, find_repository
from models.builds import Source, find_build, start_build
from models.jobs import Lease
from models.session import Database
from models.tables import Base, Build
from storage.memory import MemoryStorage
from tests.factories.database import KEY
from tests.factories.engine import MemoryEngine
from tests.factories.world import make_world


@dataclass
class Workshop:
    """Where builds are asked for and run."""

    runtime: Runtime
    callers: dict[str, Identity]
    serve: Callable[[bytes], str]
    woken: list[tuple[str, str]]
    engine: MemoryEngine = field(default_factory=MemoryEngine)
    stop: Stop = field(default_factory=Stop)
    attached: list[tuple[str, str, str, dict[str, Any]]] = field(default_factory=list)

    def attach(self, registry: str, repository: str, digest: str, content: bytes, **_: Any) -> str:
        """In place of a registry that takes statements."""
        self.attached.append((registry, repository, digest, json.loads(content)))
        return "sha256:attached"

    def ask(self, dockerfile: str | None, *, url: str | None = None, **rest: Any) -> str:
        """Ask for a build of an archive with this Dockerfile (None: of one without)."""
        files = {"readme": b"nothing"} if dockerfile is None else {"Dockerfile": dockerfile.encode()}
        source = Source(url or self.serve(archive(files)), None, "/Dockerfile", "/")
        with self.runtime.database.write() as session:
            repository = find_repository(session, "acme", "app")
            assert repository is not None
            options = {"tags": ["latest"], "pull_robot": None, "limit": None, **rest}
            return start_build(session, repository, source, actor=self.callers["owner"], **options).uuid

    def claim(self, uuid: str, owner: str = "a worker") -> Lease:
        with self.runtime.database.write() as session:
            lease = jobs.claim(session, uuid, owner)
        assert lease is not None
        return lease

    def run(self, uuid: str) -> Build:
        """One attempt; the build as it is then."""
        builds.run(self.runtime, self.claim(uuid), self.stop, engine=self.engine, attach=self.attach)
        return self.look(uuid)

    def look(self, uuid: str) -> Build:
        with self.runtime.database.read() as session:
            build = find_build(session, uuid)
            assert build is not None
            return build

    def log(self, uuid: str) -> list[dict[str, Any]]:
        """The archived log."""
        path = self.look(uuid).job.logs_path
        assert path is not None
        return [json.loads(line) for line in gzip.decompress(self.runtime.storage.read(path)).splitlines()]

    def phases(self, uuid: str) -> list[str]:
        return [entry["message"] for entry in self.log(uuid) if entry.get("type") == "phase"]

    def rows(self, table: type[Base]) -> list[Any]:
        with self.runtime.database.read() as session:
            return list(session.scalars(select(table)))


def archive(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


@pytest.fixture
def settings() -> dict[str, Any]:
    """What a test sets differently."""
    return {}


@pytest.fixture
def workshop(database: Database, tmp_path: Path, serve: Callable[..., Any], settings: dict[str, Any]) -> Workshop:
    given = {
        "DATA": tmp_path,
        "SECRET_KEY": SecretStr(KEY),
        "DATABASE_SECRET_KEY": SecretStr(KEY),
        "SERVER_HOSTNAME": "registry.example.com",
        "BUILD_REGISTRY_HOSTNAME": "registry.internal:5000",
        "OUTBOUND_ALLOWED_PRIVATE_HOSTS": ["127.0.0.1"],
        "BUILD_HEARTBEAT_SEC": 1,
        **settings,
    }
    woken: list[tuple[str, str]] = []
    database.on_wake = lambda *job: woken.append(job)
    with database.write() as session:
        callers = make_world(session)
    runtime = Runtime(Settings(**given), database, MemoryStorage(), Redis.from_url("redis://127.0.0.1:1"))

    def served(content: bytes) -> str:
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\n\r\n".encode()
        return f"{serve(lambda connection, _: connection.sendall(head + content)).url}/a.tar.gz"

    return Workshop(runtime, callers, served, woken)
