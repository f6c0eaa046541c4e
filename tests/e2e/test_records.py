"""What operators see of the work: action logs, metrics, health, request ids."""

import os
import re
from collections.abc import Iterator

import pytest
from sqlalchemy import select

from config.load import load_settings
from config.secrets import ensure_secrets
from models.opening import open_database
from models.session import Database
from models.tables import LogEntry
from tests.e2e.clients.archives import ArchiveServer
from tests.e2e.clients.http import call
from tests.e2e.clients.people import Person
from tests.services.drydock import Drydock
from tests.services.process import wait_until


@pytest.fixture(scope="session")
def database(drydock: Drydock) -> Iterator[Database]:
    """The installation's own database."""
    opened = open_database(ensure_secrets(load_settings(None, drydock.environment)), on_wake=None)
    yield opened
    opened.dispose()


def test_every_action_is_on_record(database: Database, archives: ArchiveServer, alice: Person, repository: str) -> None:
    namespace, _, name = repository.partition("/")
    digest = alice.registry.push_image(repository, "pushed", b"a layer")
    alice.registry.check_image(repository, "pushed")
    alice.rest.post(f"/repository/{repository}/changevisibility", {"visibility": "public"})
    build = alice.rest.build(repository, archives.source("FROM scratch\nLABEL a=b\n"), docker_tags=["built"])
    build.wait("complete")
    alice.registry.call("DELETE", repository, "manifests/pushed").expect(202)

    def entries() -> dict[str, list[LogEntry]]:
        with database.read() as session:
            found = session.scalars(select(LogEntry).order_by(LogEntry.id)).all()
        mine = [
            entry for entry in found if (entry.detail.get("namespace"), entry.detail.get("repo")) == (namespace, name)
        ]
        return {kind: [entry for entry in mine if entry.kind == kind] for kind in {entry.kind for entry in mine}}

    wait_until(lambda: "pull_repo" in entries(), seconds=15)  # pulls are written in batches
    recorded = entries()
    expected = {"create_repo", "push_repo", "pull_repo", "change_repo_visibility", "build_dockerfile", "delete_tag"}
    assert expected <= set(recorded)
    pushed = recorded["push_repo"][0]
    assert (pushed.performer, pushed.detail["tag"], pushed.detail["manifest_digest"]) == (alice.name, "pushed", digest)
    assert recorded["pull_repo"][0].detail["tag"] == "pushed"
    assert recorded["build_dockerfile"][0].detail["build_id"] == build.uuid
    assert {entry.ip for kind in ("push_repo", "pull_repo") for entry in recorded[kind][:1]} == {"127.0.0.1"}


def test_metrics_count_what_happens(drydock: Drydock, archives: ArchiveServer, alice: Person, repository: str) -> None:
    before = _metrics(drydock)
    alice.registry.push_image(repository, "1", os.urandom(50_000))
    alice.registry.check_image(repository, "1")
    alice.rest.build(repository, archives.source("FROM scratch\nLABEL a=b\n")).wait("complete")

    def grown(name: str) -> float:
        return _metrics(drydock).get(name, 0) - before.get(name, 0)

    assert grown("drydock_pushes_total") >= 2
    assert grown("drydock_pulls_total") >= 1
    assert grown('drydock_blob_bytes_total{direction="in"}') >= 50_000
    wait_until(lambda: grown('drydock_builds_total{result="success"}') >= 1, seconds=5)
    requests = [name for name in _metrics(drydock) if name.startswith('drydock_http_requests_total{method="PUT"')]
    assert any('surface="registry"' in name and 'status="201"' in name for name in requests)
    assert _metrics(drydock)['drydock_up{service="database"}'] >= 1


def test_an_installation_knows_that_it_is_well(drydock: Drydock) -> None:
    wait_until(lambda: call("GET", f"{drydock.url}/health/endtoend").status == 200, seconds=20)

    services = call("GET", f"{drydock.url}/health/endtoend").expect(200).json["data"]["services"]

    assert {"database", "redis", "storage"} <= set(services)
    assert all(services.values())
    call("GET", f"{drydock.url}/health/instance").expect(200)


def test_a_request_is_found_in_the_log_by_its_id(drydock: Drydock, alice: Person) -> None:
    mark = drydock.log_size()
    headers = {"X-Request-ID": "ticket-4711", "Authorization": f"Bearer {alice.token}"}

    reply = call("GET", f"{drydock.url}/api/v1/user/", headers=headers).expect(200)

    assert reply.headers["X-Request-ID"] == "ticket-4711"
    wait_until(lambda: "ticket-4711" in drydock.log_since(mark), seconds=5)


def test_no_secret_is_in_any_log(drydock: Drydock, alice: Person, repository: str) -> None:
    robot, password = alice.rest.robot(None, f"logged_{repository.rpartition('-')[2]}")
    alice.registry.push_image(repository, "1", b"a layer")

    said = drydock.log_since({})

    assert robot in said or alice.name in said
    for secret in (alice.password, alice.token, password, alice.registry.authorization(repository)["Authorization"]):
        assert secret not in said


def _metrics(drydock: Drydock) -> dict[str, float]:
    """The figures of all web servers together."""
    figures: dict[str, float] = {}
    for port in drydock.web_ports:
        text = call("GET", f"http://127.0.0.1:{port}/metrics").expect(200).body.decode()
        for name, value in re.findall(r"(?m)^([a-z_]+(?:\{.*\})?) ([0-9.e+-]+)$", text):
            figures[name] = figures.get(name, 0) + float(value)
    return figures
