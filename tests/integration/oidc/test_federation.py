"""Robots without a password: a real provider's token is exchanged for one of ours, which is the robot everywhere."""

import json
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from models.access import get_organization
from models.federation import Rule, put_rules
from models.robots import get_robot
from models.session import Database
from models.tables import LogEntry
from registry import v2
from tests.factories.api import make_app, make_services
from tests.factories.world import make_world
from tests.services.oidc import Oidc
from web import federation

PATH = "/oauth2/federation/robot/token"
ROBOT = "acme+robot"


class Ci:
    """A program elsewhere that has a token of the provider and wants to be `acme+robot`."""

    def __init__(self, app: Flask, tokens: Any) -> None:
        self.client = app.test_client()
        self._tokens = tokens

    def exchange(self, name: str = "ann", *, robot: str = ROBOT, token: str | None = None) -> TestResponse:
        password = self._tokens.of(name) if token is None else token
        return self.client.get(PATH, auth=(robot, password))


@pytest.fixture
def install_ci(database: Database, tmp_path: Any, oidc: Oidc, tokens: Any) -> Any:
    """Makes an installation whose robot the provider may vouch for, by rules or settings of the test's."""

    def make(*rules: Rule, **settings: Any) -> Ci:
        services = make_services(database, tmp_path, **{"OUTBOUND_ALLOWED_PRIVATE_HOSTS": ["127.0.0.1"], **settings})
        app = make_app(services)
        v2.mount(app, services)
        app.register_blueprint(federation.blueprint(services, app.extensions["drydock.logins"].issuers))
        with database.write() as session:
            callers = make_world(session)
            robot = get_robot(session, get_organization(session, "acme"), "robot")
            put_rules(session, robot, rules or [Rule(oidc.issuer, "subject-of-ann")], actor=callers["owner"])
        return Ci(app, tokens)

    return make


def refused(answer: TestResponse, status: int = 401, told: str = "") -> bool:
    shown = f"{answer.status_code} {answer.text}"
    assert answer.status_code == status, shown
    assert answer.json is not None, shown
    assert answer.json.keys() == {"error"}, shown
    assert told in answer.json["error"], shown
    if status == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
    return True


def test_a_providers_token_becomes_the_robots(install_ci: Any, database: Database, oidc: Oidc) -> None:
    ci = install_ci()
    answer = ci.exchange()
    assert answer.status_code == 200, answer.text
    assert answer.json.keys() == {"token"}
    assert answer.headers["Cache-Control"] == "no-store"
    token = answer.json["token"]

    api = ci.client.get("/api/v1/repository/acme/app", headers={"Authorization": f"Bearer {token}"})
    assert api.json["can_write"]
    registry = ci.client.get("/v2/auth?scope=repository:acme/app:pull,push", auth=(ROBOT, token))
    assert registry.status_code == 200
    assert registry.json["scope"] == "repository:acme/app:pull,push"
    catalog = ci.client.get("/v2/acme/app/tags/list", headers={"Authorization": f"Bearer {registry.json['token']}"})
    assert catalog.status_code == 200
    with database.read() as session:
        kind = LogEntry.kind == "federated_robot_token_exchange"
        entry = session.scalars(select(LogEntry).where(kind)).one()
        assert (entry.performer, entry.ip) == (ROBOT, "127.0.0.1")
        told = {"robot": "robot", "issuer": oidc.issuer, "subject": "subject-of-ann", "namespace": "acme"}
        assert told.items() <= entry.detail.items()
        assert token not in json.dumps(entry.detail)


@pytest.mark.parametrize("misdeed", ["forged", "none", "issuer", "expired", "future", "subject"])
def test_a_bad_token_becomes_none(install_ci: Any, misdeed: str) -> None:
    ci = install_ci()
    assert refused(ci.exchange(f"ann!{misdeed}"))
    assert ci.exchange().status_code == 200


def test_nobody_learns_which_robots_there_are(install_ci: Any) -> None:
    ci = install_ci()
    answers = [
        ci.exchange("bob"),
        *(ci.exchange(robot=name) for name in ("acme+idle-robot", "acme+none", "owner", "", "a\0b", "x" * 600)),
    ]
    assert all(refused(answer, 401, "no rule") for answer in answers)
    assert len({answer.text for answer in answers}) == 1


@pytest.mark.parametrize(
    "token", ["", "x", "a.b.c", "e30.e30.e30", "e30.W10.e30", "e30.eyJpc3MiOjUsInN1YiI6NX0.x", "x" * 20_000, "a.ü.c"]
)
def test_what_is_no_token_becomes_none(install_ci: Any, token: str) -> None:
    assert refused(install_ci().exchange(token=token))


def test_credentials_come_by_http_basic(install_ci: Any) -> None:
    client = install_ci().client
    assert refused(client.get(PATH), 401, "missing auth")
    assert refused(client.get(PATH, headers={"Authorization": "Bearer x"}), 401, "missing auth")
    assert client.post(PATH).status_code == 405


def test_an_audience_that_matters_has_to_be_right(install_ci: Any, oidc: Oidc) -> None:
    rule = Rule(oidc.issuer, "subject-of-ann", ("drydock",))
    ci = install_ci(rule)
    assert ci.exchange("ann").status_code == 200
    assert ci.exchange("ann!party").status_code == 200  # for several, of which one is right
    assert refused(ci.exchange("ann!audience"), 401, "another audience")


def test_an_installation_may_want_an_audience_of_all(install_ci: Any) -> None:
    assert install_ci().exchange("ann!audience").status_code == 200


def test_the_installations_audiences(install_ci: Any) -> None:
    ci = install_ci(FEDERATED_ROBOT_AUDIENCES=["drydock", "other"])
    assert ci.exchange().status_code == 200
    assert refused(ci.exchange("ann!audience"), 401, "another audience")


def test_issuers_that_cannot_be_asked_are_not_told_about(install_ci: Any, oidc: Oidc) -> None:
    guarded = install_ci(OUTBOUND_ALLOWED_PRIVATE_HOSTS=[])
    answer = guarded.exchange()
    assert refused(answer, 503)
    assert str(urlsplit(oidc.issuer).hostname) not in answer.text


def test_only_issuers_that_a_rule_names_are_asked(install_ci: Any, oidc: Oidc) -> None:
    ci = install_ci(Rule("https://ci.example.com", "subject-of-ann"))
    before = oidc.asked("jwks")
    assert refused(ci.exchange())
    assert oidc.asked("jwks") == before


def test_a_new_key_of_the_issuer_is_found(install_ci: Any, oidc: Oidc) -> None:
    ci = install_ci()
    assert ci.exchange().status_code == 200
    before = oidc.asked("jwks")
    assert ci.exchange().status_code == 200
    assert oidc.asked("jwks") == before
