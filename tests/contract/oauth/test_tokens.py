"""From a code to a token and back: who gets one, and each error of RFC 6749, 7009 and 7636."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from models.session import Database
from models.tables import AuthorizationCode, LogEntry, OAuthToken, User
from models.tables.base import now
from registry.services import Services
from tests.factories.oauth import PKCE, VERIFIER, Flow


def fails(response: TestResponse, error: str, status: int = 400) -> bool:
    told = f"{response.status_code} {response.text}"
    assert response.json is not None, told
    assert (response.status_code, response.json["error"]) == (status, error), told
    assert response.headers["Cache-Control"] == "no-store"
    assert "access_token" not in response.json
    return True


def test_a_code_becomes_a_token(flow: Flow, database: Database) -> None:
    response = flow.exchange(flow.code(scope="repo:write,user:read"))
    assert response.status_code == 200
    given: Any = response.json
    assert given.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert (given["token_type"], given["expires_in"], given["scope"]) == ("Bearer", 315576000, "repo:write user:read")
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Pragma"] == "no-cache"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    known: Any = flow.call(given["access_token"]).json
    assert known["username"] == "reader"
    assert flow.call(given["access_token"], "/user/robots").status_code == 403
    with database.read() as session:
        row = session.scalars(select(OAuthToken)).one()
        assert row.expires_at
        assert timedelta(days=3650) < row.expires_at - now() < timedelta(days=3653)
        entry = session.scalars(select(LogEntry).where(LogEntry.kind == "create_oauth_api_token")).one()
        assert (entry.performer, entry.detail["client_id"]) == ("reader", flow.client_id)


def test_the_secret_comes_in_the_header_or_in_the_form(flow: Flow) -> None:
    assert flow.exchange(flow.code(), basic=(flow.client_id, flow.secret)).status_code == 200
    assert flow.exchange(flow.code(scope="repo:write")).status_code == 200


@pytest.mark.parametrize(
    "changed",
    [
        {"client_secret": "WRONG"},
        {"client_secret": None},
        {"client_secret": ""},
        {"client_id": "NOSUCH"},
        {"client_id": "drydock", "client_secret": ""},
        {"client_id": None},
        {"client_secret": None, "code_verifier": ""},
    ],
)
def test_an_application_has_to_prove_who_it_is(flow: Flow, changed: dict[str, Any]) -> None:
    code = flow.code()
    refused = flow.exchange(code, **changed)
    assert fails(refused, "invalid_client", 401)
    assert refused.headers["WWW-Authenticate"].startswith("Basic ")
    assert flow.exchange(code).status_code == 200  # it was not spent


@pytest.mark.parametrize("header", ["Basic", "Basic !", "Basic /w==", "Basic eA==", "Bearer x", "Basic eDp5"])
def test_credentials_that_cannot_be_read_prove_nothing(flow: Flow, header: str) -> None:
    changed = {"client_id": None, "client_secret": None}
    assert fails(flow.exchange(flow.code(), headers={"Authorization": header}, **changed), "invalid_client", 401)


def test_a_wrong_header_is_wrong_for_programs_without_a_secret_too(flow: Flow) -> None:
    code = flow.code(**PKCE)
    refused = flow.exchange(code, basic=(flow.client_id, "WRONG"), client_id=flow.client_id, code_verifier=VERIFIER)
    assert fails(refused, "invalid_client", 401)


def test_a_program_without_a_secret_brings_the_verifier(flow: Flow) -> None:
    public: dict[str, Any] = {"client_secret": None}
    code = flow.code(**PKCE)
    assert fails(flow.exchange(code, code_verifier=VERIFIER.upper(), **public), "invalid_grant")
    assert fails(flow.exchange(code, code_verifier="short", **public), "invalid_request")
    assert fails(flow.exchange(code, **public), "invalid_client", 401)
    assert flow.exchange(code, code_verifier=VERIFIER, **public).status_code == 200


def test_without_a_challenge_the_verifier_is_no_proof(flow: Flow) -> None:
    code = flow.code()
    assert fails(flow.exchange(code, client_secret=None, code_verifier=VERIFIER), "invalid_request")
    assert fails(flow.exchange(code, code_verifier=VERIFIER), "invalid_request")


def test_a_challenge_binds_those_with_a_secret_too(flow: Flow) -> None:
    code = flow.code(**PKCE)
    assert fails(flow.exchange(code), "invalid_request")
    assert fails(flow.exchange(code, code_verifier=VERIFIER[::-1]), "invalid_grant")
    assert flow.exchange(code, code_verifier=VERIFIER).status_code == 200


@pytest.mark.parametrize("uri", [None, "", "https://app.example.com/callback", "https://evil.example/"])
def test_the_address_has_to_be_that_of_the_request(flow: Flow, uri: str | None) -> None:
    assert fails(flow.exchange(flow.code(), redirect_uri=uri), "invalid_grant")


def test_an_address_that_was_not_named_need_not_be_named_again(flow: Flow) -> None:
    assert flow.exchange(flow.code(redirect_uri=None), redirect_uri=None).status_code == 200


@pytest.mark.parametrize("code", ["NOSUCH", "x" * 200, "ü", " "])
def test_a_code_has_to_be_one(flow: Flow, code: str) -> None:
    assert fails(flow.exchange(code), "invalid_grant")


def test_a_code_is_good_for_a_short_time(flow: Flow, database: Database) -> None:
    code = flow.code()
    with database.write() as session:
        session.execute(update(AuthorizationCode).values(expires_at=now()))
    assert fails(flow.exchange(code), "invalid_grant")


def test_a_code_is_the_applications_own(flow: Flow, app: Flask, services: Services) -> None:
    code = flow.code(**PKCE)
    other = Flow(app, services)
    assert fails(other.exchange(code), "invalid_grant")
    assert fails(other.exchange(code, client_secret=None, code_verifier=VERIFIER), "invalid_grant")
    assert flow.exchange(code, code_verifier=VERIFIER).status_code == 200


def test_a_code_that_is_used_twice_ends_its_token(flow: Flow, database: Database) -> None:
    code = flow.code()
    given: Any = flow.exchange(code).json
    assert flow.call(given["access_token"]).status_code == 200
    assert fails(flow.exchange(code), "invalid_grant")
    assert flow.call(given["access_token"]).status_code == 401
    assert fails(flow.exchange(code), "invalid_grant")
    with database.read() as session:
        entry = session.scalars(select(LogEntry).where(LogEntry.kind == "revoke_oauth_api_token")).one()
        assert entry.performer == f"(application {flow.client_id})"


def test_a_second_use_is_noticed_late_as_well(flow: Flow, database: Database) -> None:
    code = flow.code()
    given: Any = flow.exchange(code).json
    with database.write() as session:
        session.execute(update(AuthorizationCode).values(expires_at=now() - timedelta(hours=1)))
    flow.code(scope="repo:write")  # makes room
    assert fails(flow.exchange(code), "invalid_grant")
    assert flow.call(given["access_token"]).status_code == 401


def test_old_codes_are_forgotten(flow: Flow, database: Database) -> None:
    flow.code()
    with database.write() as session:
        session.execute(update(AuthorizationCode).values(expires_at=now() - timedelta(days=2)))
    flow.code()
    with database.read() as session:
        assert len(session.scalars(select(AuthorizationCode)).all()) == 1


def test_a_user_who_was_disabled_meanwhile_is_nobody(flow: Flow, database: Database) -> None:
    code = flow.code()
    with database.write() as session:
        session.execute(update(User).where(User.name == "reader").values(enabled=False))
    assert fails(flow.exchange(code), "invalid_grant")


@pytest.mark.parametrize("end", ["application", "user"])
def test_a_code_ends_with_its_application_and_its_user(flow: Flow, database: Database, end: str) -> None:
    code = flow.code()
    with database.write() as session:
        row = flow.application() if end == "application" else session.scalar(select(User).where(User.name == "reader"))
        session.delete(row)
    assert fails(flow.exchange(code), *(("invalid_client", 401) if end == "application" else ("invalid_grant",)))


@pytest.mark.parametrize(
    ("grant_type", "error"),
    [
        (None, "invalid_request"),
        ("", "invalid_request"),
        ("refresh_token", "unsupported_grant_type"),
        ("password", "unsupported_grant_type"),
        ("client_credentials", "unsupported_grant_type"),
        ("implicit", "unsupported_grant_type"),
        ('"\n\\', "unsupported_grant_type"),
    ],
)
def test_there_is_one_grant(flow: Flow, grant_type: str | None, error: str) -> None:
    assert fails(flow.exchange(flow.code(), grant_type=grant_type), error)


def test_everything_comes_in_the_form_and_once(flow: Flow, app: Flask) -> None:
    code, client = flow.code(), app.test_client()
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": flow.redirect_uri}
    credentials = {"client_id": flow.client_id, "client_secret": flow.secret}
    assert fails(client.post("/oauth/access_token", query_string=form | credentials), "invalid_request")
    in_url = client.post("/oauth/access_token", data=form, query_string=credentials)
    assert fails(in_url, "invalid_client", 401)
    twice = client.post("/oauth/access_token", data=form | credentials | {"code": [code, code]})
    assert fails(twice, "invalid_request")
    assert fails(client.post("/oauth/access_token", json=form | credentials), "invalid_request")
    assert fails(client.post("/oauth/access_token", data=form | credentials | {"code": "a\0"}), "invalid_request")
    assert client.get("/oauth/access_token", query_string=form | credentials).status_code == 405
    assert client.post("/oauth/access_token", data=form | {"x": "x" * 70_000}).status_code == 413
    assert flow.exchange(code).status_code == 200


def test_a_code_is_missing(flow: Flow, app: Flask) -> None:
    form = {"grant_type": "authorization_code", "client_id": flow.client_id, "client_secret": flow.secret}
    assert fails(app.test_client().post("/oauth/access_token", data=form), "invalid_request")


def test_an_application_gives_back_its_token(flow: Flow, app: Flask, services: Services, database: Database) -> None:
    given: Any = flow.exchange(flow.code()).json
    token = given["access_token"]
    other = Flow(app, services)
    for refused in (flow.revoke(token, client_secret="WRONG"), flow.revoke(token, client_id="NOSUCH")):
        assert fails(refused, "invalid_client", 401)
    assert other.revoke(token).status_code == 200  # says nothing of other applications' tokens
    assert flow.call(token).status_code == 200
    for hint in ("access_token", "refresh_token", "nonsense"):
        assert flow.revoke(token, token_type_hint=hint).status_code == 200
    assert flow.call(token).status_code == 401
    assert flow.revoke("NOSUCH").status_code == 200
    assert fails(flow.revoke(""), "invalid_request")
    with database.read() as session:
        entry = session.scalars(select(LogEntry).where(LogEntry.kind == "revoke_oauth_api_token")).one()
        assert (entry.performer, entry.detail["namespace"]) == (f"(application {flow.client_id})", "reader")


def test_a_program_without_a_secret_gives_back_its_token(flow: Flow) -> None:
    given: Any = flow.exchange(flow.code(**PKCE), client_secret=None, code_verifier=VERIFIER).json
    assert flow.revoke(given["access_token"], client_secret=None).status_code == 200
    assert flow.call(given["access_token"]).status_code == 401


def test_the_server_describes_itself(flow: Flow, app: Flask) -> None:
    response = app.test_client().get("/.well-known/oauth-authorization-server")
    told: Any = response.json
    assert told["issuer"] == "http://localhost:8080"
    assert told["authorization_endpoint"] == "http://localhost:8080/oauth/authorize"
    assert told["token_endpoint"] == "http://localhost:8080/oauth/access_token"
    assert told["revocation_endpoint"] == "http://localhost:8080/oauth/revoke"
    assert told["response_types_supported"] == ["code", "token"]
    assert told["code_challenge_methods_supported"] == ["S256"]
    assert told["scopes_supported"] == [
        "repo:read", "repo:write", "repo:admin", "repo:create", "user:read", "user:admin", "org:admin", "super:user",
    ]  # fmt: skip
    assert response.headers["Access-Control-Allow-Origin"] == "*"
