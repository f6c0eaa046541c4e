"""The pages and the API in one application, with the company of tests/factories/world.py, and a flow of its owner's."""

import pytest
from flask import Flask

from api import v1
from models.session import Database
from registry.services import Services
from tests.factories.api import make_services
from tests.factories.oauth import Flow
from tests.factories.world import make_world
from web import applications, oauth, organizations, pages, signin


@pytest.fixture(scope="session")
def services(one_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Services:
    return make_services(one_database, tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def app(services: Services) -> Flask:
    app = Flask("tests")
    app.extensions["drydock"] = services
    app.register_blueprint(v1.blueprint(services))
    for part in (applications, organizations, pages, signin):
        app.register_blueprint(part.blueprint(services))
    oauth.mount(app, services)
    return app


@pytest.fixture
def flow(app: Flask, services: Services, database: Database) -> Flow:
    """An application of acme, and `reader` in front of the browser."""
    with database.write() as session:
        make_world(session)
    made = Flow(app, services, application_uri="https://app.example.com", description="Brings ships in.")
    made.browser.enter(services, "reader")
    return made
