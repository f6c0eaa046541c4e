"""The document, the page, and the error types."""

from dataclasses import replace

from flask import Flask
from openapi_spec_validator import OpenAPIV2SpecValidator

from api import v1
from registry.services import Services
from tests.factories.api import Api


def test_the_document_is_valid_swagger(api: Api) -> None:
    answer = api.get("/discovery")
    assert answer.status == 200
    OpenAPIV2SpecValidator(answer.body).validate()
    assert {"swagger", "host", "basePath", "schemes", "info", "paths", "definitions"} <= answer.body.keys()


def test_the_page_loads_only_from_this_server(api: Api) -> None:
    answer = api.get("/")
    assert answer.status == 200
    assert "://" not in answer.text
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_error_types_are_explained(api: Api) -> None:
    answer = api.get("/error/not_found")
    assert answer.status == 200
    assert answer.body.keys() == {"type", "title", "description"}
    assert api.get("/error/bogus").status == 404


def test_what_is_switched_off_is_not_there(services: Services) -> None:
    off = services.settings.model_copy(update={"FEATURE_BUILD_SUPPORT": False})
    app = Flask("without builds")
    app.extensions["drydock"] = replace(services, settings=off)
    app.register_blueprint(v1.blueprint(app.extensions["drydock"]))
    client = app.test_client()
    assert client.get("/api/v1/repository/acme/app/build/").status_code == 404
    paths = client.get("/api/v1/discovery").get_json()["paths"]
    assert "/api/v1/repository" in paths
    assert [path for path in paths if "/build" in path] == []
