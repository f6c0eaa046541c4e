"""The REST surface on a database that holds the small company of tests/factories/world.py."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from registry.services import Services
from tests.factories.api import Api, empty, make_app, make_services
from tests.factories.world import make_world


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    services = make_services(tmp_path_factory.mktemp("data"))
    yield services
    services.close()


@pytest.fixture(scope="session")
def app(services: Services) -> Flask:
    return make_app(services)


@pytest.fixture(scope="session")
def document(app: Flask) -> Any:
    """The Swagger document."""
    return app.test_client().get("/api/v1/discovery").get_json()


@pytest.fixture
def api(app: Flask, services: Services) -> Iterator[Api]:
    with services.database.write() as session:
        make_world(session)
    yield Api(app, services)
    empty(services.database)
