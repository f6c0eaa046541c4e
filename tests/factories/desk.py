"""The REST API and the worker's end of the outbox in one process, so that a test decides when something is sent."""

from datetime import timedelta
from typing import Any

from flask import Flask
from redis import Redis
from sqlalchemy import select

from buildworker.deliveries import deliver
from buildworker.runtime import Runtime
from models.access import Identity, find_repository
from models.announcements import Happening, announce, announce_push
from models.notification_methods import Subject
from models.session import Database
from models.tables import Delivery, Repository
from storage.memory import MemoryStorage
from tests.factories.api import Api
from tests.factories.outbox import take

LIST = "/repository/acme/app/notification/"
ANN = Identity(kind="user", name="ann")


class Desk:
    """The REST API, and the worker's end of the outbox in the same process."""

    def __init__(self, app: Flask) -> None:
        self.api = Api(app)
        services = self.api.services
        self.runtime = Runtime(services.settings, services.database, MemoryStorage(), Redis(port=1))

    @property
    def database(self) -> Database:
        return self.runtime.database

    def notify(self, method: str, config: Any, event: str = "repo_push", *, at: str = LIST, **event_config: Any) -> Any:
        """Ask for a notification; the answer, with `path` added."""
        body = {"event": event, "method": method, "config": config, "eventConfig": event_config, "title": "mine"}
        made = self.api.post(at, body, by="owner")
        assert made.status == 201, made.text
        return made.body | {"path": f"{at.rstrip('/')}/{made.body['uuid']}"}

    def push(self, *tags: str) -> None:
        with self.database.write() as session:
            announce_push(session, self.repository(session), tags or ("latest",), actor=ANN)

    def tell(self, event: str, **data: Any) -> None:
        with self.database.write() as session:
            repository = self.repository(session)
            announce(session, Subject(repository.namespace, repository), Happening(event, data))

    def repository(self, session: Any) -> Repository:
        repository = find_repository(session, "acme", "app")
        assert repository is not None
        return repository

    def work(self) -> int:
        """Make one attempt at everything that is due, and at what comes of that; how many."""
        number = 0
        while self.work_once():
            number += 1
        return number

    def work_once(self) -> bool:
        """Make one attempt; whether anything was due."""
        with self.database.write() as session:
            attempt = take(session)
        if attempt is not None:
            deliver(self.runtime, attempt)
        return attempt is not None

    def pass_time(self, seconds: float = 3600) -> None:
        with self.database.write() as session:
            for row in session.scalars(select(Delivery)):
                row.due_at -= timedelta(seconds=seconds)

    def failures(self, notification: Any) -> int:
        return int(self.api.get(notification["path"], by="owner").body["number_of_failures"])

    def log(self, notification: Any) -> list[Any]:
        return list(self.api.get(f"{notification['path']}/deliveries", by="owner").body["deliveries"])

    def delivery(self, notification: Any, number: int = 0) -> Any:
        uuid = self.log(notification)[number]["uuid"]
        return self.api.get(f"{notification['path']}/deliveries/{uuid}", by="owner").body
