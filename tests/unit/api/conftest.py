"""The REST surface in an application of its own, on a database that is empty for each test."""

from collections.abc import Iterator

import pytest
from flask import Flask

from registry.services import Services
from tests.factories.api import Api, empty, make_app, make_services


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    services = make_services(tmp_path_factory.mktemp("data"))
    yield services
    services.close()


@pytest.fixture(scope="session")
def app(services: Services) -> Flask:
    return make_app(services)


@pytest.fixture
def api(app: Flask, services: Services) -> Iterator[Api]:
    yield Api(app, services)
    empty(services.database)
