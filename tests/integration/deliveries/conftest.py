"""An installation whose outbox is emptied by worker processes, as in production."""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from config.load import load_settings
from config.secrets import ensure_secrets
from config.settings import Settings
from models import mail
from models.access import find_repository
from models.addresses import Allowed
from models.announcements import announce_push
from models.migrate import upgrade
from models.notification_methods import Subject
from models.notifications import Wish, create_notification
from models.opening import open_database
from models.queue import WakeUps, open_redis
from models.session import Database, Session
from models.tables import Delivery, Repository, RepositoryEmail
from tests.factories.api import make_app, make_services
from tests.factories.desk import ANN, Desk
from tests.factories.world import make_world
from tests.services import process
from tests.services.process import Server, wait_until
from tests.services.smtp import Smtp

APP = "acme/app"


@dataclass
class Installation:
    """Its database, and the worker processes that a test starts."""

    environ: dict[str, str]
    settings: Settings
    database: Database

    def start_worker(self, queues: str = "deliveries", **settings: str) -> Server:
        """A worker that has said that it is ready."""
        given = self.environ | {f"DRYDOCK_{key}": value for key, value in settings.items()}
        argv = [sys.executable, "-P", "-m", "cli.main", "worker", "--queues", queues]
        said: list[Server] = []
        server = process.start(
            "worker", argv, ready=lambda: True, env={**os.environ, **given}, cwd=Path(__file__).parents[3]
        )
        said.append(server)
        wait_until(lambda: "waiting for errands" in server.log_tail(), seconds=20, alive=lambda: server.alive)
        return server

    def send_mail(self, to: str, subject: str = "Hello", text: str = "A text.\n") -> str:
        """The uuid of its row."""
        with self.database.write() as session:
            mail.send(session, to=to, subject=subject, text=text)
            return session.scalars(select(Delivery.uuid).order_by(Delivery.id.desc()).limit(1)).one()

    def notify(
        self, method: str, config: dict[str, Any], event: str = "repo_push", *, of: str = APP, **event_config: Any
    ) -> str:
        """Have a repository tell somebody; the secret that signs it, if any."""
        with self.database.write() as session:
            repository = self.repository(session, of)
            if method == "email":
                session.add(RepositoryEmail(repository=repository, code_hash="x", confirmed=True, **config))
                session.flush()
            wish = Wish(event, method, config, event_config)
            allowed = Allowed(self.settings.OUTBOUND_ALLOWED_PRIVATE_HOSTS)
            subject = Subject(repository.namespace, repository)
            return create_notification(session, subject, wish, allowed=allowed, actor=ANN)[1] or ""

    def push(self, tag: str, *, to: str = APP) -> None:
        """Tell that somebody pushed the tag."""
        with self.database.write() as session:
            announce_push(session, self.repository(session, to), [tag], actor=ANN)

    def repository(self, session: Session, path: str = APP) -> Repository:
        namespace, _, name = path.partition("/")
        repository = find_repository(session, namespace, name)
        assert repository is not None
        return repository

    def rows(self, kind: str) -> Sequence[Delivery]:
        with self.database.read() as session:
            return session.scalars(select(Delivery).where(Delivery.kind == kind).order_by(Delivery.id)).all()

    def row(self, uuid: str) -> Delivery:
        with self.database.read() as session:
            return session.scalars(select(Delivery).where(Delivery.uuid == uuid)).one()

    def await_state(self, uuid: str, state: str, *, seconds: float = 10) -> Delivery:
        wait_until(lambda: self.row(uuid).state == state, seconds=seconds)
        return self.row(uuid)


@pytest.fixture
def installation(tmp_path: Path, fresh_redis_url: str, smtp: Smtp) -> Iterator[Installation]:
    environ = {
        "DRYDOCK_DATA": str(tmp_path / "data"),
        "DRYDOCK_REDIS_URL": fresh_redis_url,
        "DRYDOCK_OUTBOUND_ALLOWED_PRIVATE_HOSTS": "127.0.0.1",
        **{f"DRYDOCK_{key}": value for key, value in smtp.settings.items()},
    }
    settings = ensure_secrets(load_settings(None, environ))
    redis = open_redis(settings)
    database = open_database(settings, on_wake=WakeUps(redis).send)
    upgrade(database)
    with database.write() as session:
        make_world(session)
    before = set(process.running())
    yield Installation(environ, settings, database)
    for server in set(process.running()) - before:
        server.stop()
    database.dispose()
    redis.close()


@pytest.fixture(scope="session")
def app(one_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Flask:
    settings = {"OUTBOUND_ALLOWED_PRIVATE_HOSTS": ["127.0.0.1"]}
    return make_app(make_services(one_database, tmp_path_factory.mktemp("data"), **settings))


@pytest.fixture
def desk(app: Flask, database: Database) -> Desk:
    with database.write() as session:
        make_world(session)
    return Desk(app)
