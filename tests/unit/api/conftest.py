"""The REST surface in an application of its own, on a database that is empty for each test."""

import pytest
from flask import Flask

from models.session import Database
from registry.services import Services
from tests.factories.api import EVERYTHING, Api, make_app, make_services


@pytest.fixture(scope="session")
def services(one_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Services:
    return make_services(one_database, tmp_path_factory.mktemp("data"), **EVERYTHING)


@pytest.fixture(scope="session")
def app(services: Services) -> Flask:
    return make_app(services)


@pytest.fixture
def api(app: Flask, database: Database) -> Api:
    return Api(app)
