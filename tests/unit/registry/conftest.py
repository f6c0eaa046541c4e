"""A whole registry in memory: the real views over SQLite in a temporary folder and the memory driver."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from models.access import Identity
from models.repositories import create_repository
from models.session import Database
from models.tables import Organization, Repository, Robot, Team, TeamMember, User
from registry import v2
from registry.manifest_format import OCI_INDEX, OCI_MANIFEST
from registry.names import Digest
from registry.services import Services
from tests.factories.api import make_services
from tests.factories.pusher import Pusher


@dataclass
class Registry:
    """The registry under test, and shortcuts to talk to it as a client."""

    app: Flask
    services: Services
    tokens: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def client(self) -> FlaskClient:
        return self.app.test_client()

    def token(self, user: str | None, *scopes: str) -> str:
        headers = {} if user is None else {"Authorization": basic(user, f"token-of-{user}".upper())}
        answer = self.client.get("/v2/auth", query_string=[("scope", scope) for scope in scopes], headers=headers)
        assert answer.status_code == 200, answer.text
        return str(answer.get_json()["token"])

    def call(
        self, method: str, path: str, *, user: str | None = "acme+ci", repository: str = "acme/app", **kw: Any
    ) -> TestResponse:
        key = (user or "", repository)
        if key not in self.tokens:
            self.tokens[key] = self.token(user, f"repository:{repository}:pull,push")
        headers = {"Authorization": f"Bearer {self.tokens[key]}", **kw.pop("headers", {})}
        return self.client.open(f"/v2/{path}", method=method, headers=headers, **kw)

    def push_blob(self, data: bytes, *, repository: str = "acme/app") -> str:
        digest = str(Digest.of(data))
        begun = self.call("POST", f"{repository}/blobs/uploads/", repository=repository)
        assert begun.status_code == 202, begun.text
        done = self.client.put(
            begun.headers["Location"],
            query_string={"digest": digest},
            data=data,
            headers={"Authorization": f"Bearer {self.tokens['acme+ci', repository]}"},
        )
        assert done.status_code == 201, done.text
        return digest

    def push_image(self, tag: str = "latest", *, note: str = "", repository: str = "acme/app", **extra: Any) -> str:
        """Push a small image; the digest of its manifest."""
        config, layer = b"{}" + note.encode(), b"layer" + note.encode()
        manifest = image(
            self.push_blob(config, repository=repository),
            len(config),
            self.push_blob(layer, repository=repository),
            len(layer),
            **extra,
        )
        answer = self.put_manifest(tag, manifest, repository=repository)
        assert answer.status_code == 201, answer.text
        return str(answer.headers["Docker-Content-Digest"])

    def put_manifest(
        self, reference: str, document: Any, *, media_type: str | None = OCI_MANIFEST, repository: str = "acme/app"
    ) -> TestResponse:
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        headers = {"Content-Type": media_type} if media_type else {}
        return self.call(
            "PUT", f"{repository}/manifests/{reference}", data=data, headers=headers, repository=repository
        )


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def image(config: str, config_size: int, layer: str, layer_size: int, **extra: Any) -> dict[str, Any]:
    return {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": config_size},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer, "size": layer_size}],
        **extra,
    }


def index(*children: str) -> dict[str, Any]:
    manifests = [{"mediaType": OCI_MANIFEST, "digest": digest, "size": 1} for digest in children]
    return {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}


@pytest.fixture(scope="session")
def app(one_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """The routes; what they stand on is new for each test."""
    app = Flask("registry under test")
    v2.mount(app, make_services(one_database, tmp_path_factory.mktemp("data")))
    return app


@pytest.fixture
def registry(app: Flask, database: Database, tmp_path: Path) -> Iterator[Registry]:
    """acme is an organization where acme+ci may create repositories; acme+reader and stranger have no rights there."""
    with database.write() as session:
        acme = Organization(name="acme")
        session.add_all([acme, User(name="stranger"), User(name="owner")])
        session.flush()
        robots = {}
        for name in ("acme+ci", "acme+reader", "stranger+bot"):
            owner = acme if name.startswith("acme") else session.query(User).filter_by(name="stranger").one()
            token = session.vault.encrypt(f"token-of-{name}".upper())
            robots[name] = Robot(name=name, owner=owner, encrypted_token=token)
            session.add(robots[name])
        team = Team(organization_id=acme.id, name="ci", role="creator")
        session.add(team)
        session.flush()
        session.add(TeamMember(team_id=team.id, account_id=robots["acme+ci"].id))
    services = make_services(database, tmp_path)
    app.extensions["drydock.registry"] = v2.open_registry(services)
    yield Registry(app, services)
    app.extensions["drydock.registry"].pulls.close()
    services.redis.close()


@pytest.fixture
def public(registry: Registry) -> str:
    """A public repository with nothing in it."""
    with registry.services.database.write() as session:
        ci = session.query(Robot).filter_by(name="acme+ci").one()
        actor = Identity(kind="robot", account_id=ci.id, name=ci.name)
        create_repository(session, "acme", "public", actor=actor, public=True)
    assert isinstance(registry.services.database, Database)
    return "acme/public"


@pytest.fixture
def pusher(registry: Registry) -> Pusher:
    """Pushes to acme/app without HTTP."""
    with registry.services.database.read() as session:
        ci = session.query(Robot).filter_by(name="acme+ci").one()
    return Pusher(registry.services, Identity(kind="robot", account_id=ci.id, name=ci.name))


def repositories(registry: Registry) -> list[str]:
    with registry.services.database.read() as session:
        return sorted(row.path for row in session.query(Repository))
