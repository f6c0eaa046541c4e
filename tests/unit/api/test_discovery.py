"""The document, the page, and the error types."""

from openapi_spec_validator import OpenAPIV2SpecValidator

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
