"""Requests made up from the Swagger document: each is answered as documented, and none with an error of ours."""

import logging
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from models.session import Database
from tests.factories.api import Api
from tests.factories.world import make_world

EXAMPLES = 3
# So that what is made up reaches what is there, and not only what is missing.
THERE = {
    "repository": "acme/app",
    "orgname": "acme",
    "teamname": "members",
    "username": "stranger",
    "membername": "member",
    "robot_shortname": "robot",
    "tag": "latest",
}
CHECKS = [not_a_server_error, status_code_conformance, response_schema_conformance]


@pytest.mark.filterwarnings("default")  # of the generator's own dependencies
def test_what_the_document_promises_is_what_comes(
    app: Flask, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    api = Api(app)
    with database.write() as session:
        make_world(session)
    callers = {name: f"Bearer {api.token(name)}" for name in ("owner", "root")}
    asked = 0

    def ask(operation: Any) -> None:
        caller = callers["root" if "/superuser" in operation.path else "owner"]

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy())
        def check(case: Any) -> None:
            nonlocal asked
            asked += 1
            for name in THERE.keys() & (case.path_parameters or {}).keys():
                case.path_parameters[name] = THERE[name]
            answer = case.call(headers={"Authorization": caller})
            case.validate_response(answer, checks=CHECKS)

        check()

    document: Any = schemathesis.openapi.from_wsgi("/api/v1/discovery", app)
    for found in document.get_all_operations():
        ask(found.ok())
    assert asked > 300
