"""The key server: who may read keys, and how a service brings and takes away its own."""

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from models import published_keys
from models.access import Identity
from models.brakes import ASKING
from models.service_keys import create_service_key
from models.session import Database
from models.tables import LogEntry, PublishedKey
from models.tables.base import now
from tests.factories.accounts import identity_of, make_user
from tests.factories.api import make_services
from web import keys

AUDIENCE = "http://localhost:8080"
PAIR = ECKey.generate_key("P-256")
OTHER = RSAKey.generate_key(2048)


@pytest.fixture
def client(database: Database, tmp_path: Path) -> FlaskClient:
    app = Flask("tests")
    app.register_blueprint(keys.blueprint(make_services(database, tmp_path)))
    return app.test_client()


def public(pair: ECKey | RSAKey = PAIR) -> dict[str, Any]:
    return dict(pair.as_dict(private=False))


def signed(pair: ECKey | RSAKey, kid: str | None, **claims: Any) -> dict[str, str]:
    algorithm = "ES256" if isinstance(pair, ECKey) else "RS256"
    header = {"alg": algorithm, **({"kid": kid} if kid else {})}
    told = {"iss": "clair", "aud": AUDIENCE, "exp": int(now().timestamp()) + 60, **claims}
    return {"Authorization": f"Bearer {jwt.encode(header, told, pair, algorithms=[algorithm])}"}


def put(client: FlaskClient, kid: str, jwk: Any, headers: dict[str, str], query: str = "") -> TestResponse:
    return client.put(f"/keys/services/clair/keys/{kid}{query}", json=jwk, headers=headers)


def approve(database: Database, kid: str) -> None:
    with database.write() as session:
        root = make_user(session, "root", superuser=True)
        published_keys.approve_key(session, kid, "", approver=root, actor=identity_of(root))


def status(client: FlaskClient, kid: str, service: str = "clair") -> int:
    return client.get(f"/keys/services/{service}/keys/{kid}").status_code


def test_a_service_brings_its_key_and_waits(client: FlaskClient, database: Database) -> None:
    assert put(client, "one", public(), signed(PAIR, "one")).status_code == 202
    assert status(client, "one") == 409
    assert client.get("/keys/services/clair/keys").json == {"keys": []}
    approve(database, "one")
    answer = client.get("/keys/services/clair/keys/one")
    assert (answer.status_code, answer.json) == (200, {"kid": "one", **public()})
    assert answer.headers["Cache-Control"] == "max-age=86400"
    assert client.get("/keys/services/clair/keys").json == {"keys": [answer.json]}
    assert [status(client, "one", "other"), status(client, "none")] == [404, 404]


def test_a_trusted_key_brings_the_next_one_and_takes_the_former_away(client: FlaskClient, database: Database) -> None:
    put(client, "one", public(), signed(PAIR, "one"))
    assert put(client, "two", public(OTHER), signed(PAIR, "one")).status_code == 403  # it waits itself
    approve(database, "one")
    later = int(now().timestamp()) + 3600
    assert put(client, "two", public(OTHER), signed(PAIR, "one"), f"?expiration={later}").status_code == 200
    assert status(client, "two") == 200
    path = "/keys/services/clair/keys/one"
    assert client.delete(path, headers=signed(OTHER, "two")).status_code == 204
    assert status(client, "one") == 404
    with database.read() as session:
        entries = session.scalars(select(LogEntry).where(LogEntry.kind.contains("service_key"))).all()
    kinds = [entry.kind.removeprefix("service_key_") for entry in entries]
    assert kinds == ["create", "approve", "rotate", "delete"]
    assert entries[-1].detail.items() >= {"kid": "one", "signer_kid": "two", "service": "clair"}.items()


def test_a_key_that_has_expired_is_trusted_no_more(client: FlaskClient, database: Database) -> None:
    put(client, "one", public(), signed(PAIR, "one"))
    approve(database, "one")
    with database.write() as session:
        session.execute(update(PublishedKey).values(expires_at=now()))
    assert status(client, "one") == 403
    assert client.get("/keys/services/clair/keys").json == {"keys": []}
    assert put(client, "two", public(OTHER), signed(PAIR, "one")).status_code == 403


@pytest.mark.parametrize(
    ("jwk", "headers"),
    [
        (None, signed(PAIR, "one")),
        ({"kty": "oct", "k": "AAAA"}, signed(PAIR, "one")),
        ({"kty": "EC"}, signed(PAIR, "one")),
        (PAIR.as_dict(private=True), signed(PAIR, "one")),
        (public(), {}),
        (public(), {"Authorization": "Bearer nonsense"}),
        (public(), signed(OTHER, "one")),
        (public(), signed(PAIR, "one", iss="other")),
        (public(), signed(PAIR, "one", aud="http://elsewhere")),
        (public(), signed(PAIR, "one", exp=1)),
        (public(), signed(PAIR, "one", exp=2**40)),
    ],
    ids=[
        *("no-key", "secret-key", "half-key", "private-key", "no-token", "nonsense", "other-key"),
        *("issuer", "audience", "expired", "lasting"),
    ],
)
def test_what_is_not_proved_is_refused(
    client: FlaskClient, database: Database, jwk: Any, headers: dict[str, str]
) -> None:
    assert put(client, "one", jwk, headers).status_code == 400
    with database.read() as session:
        assert session.scalars(select(PublishedKey)).all() == []


def test_no_name_is_taken_twice_and_not_too_many_wait(client: FlaskClient, database: Database) -> None:
    assert put(client, "one", public(), signed(PAIR, "one")).status_code == 202
    assert put(client, "one", public(), signed(PAIR, "one")).status_code == 409
    with database.write() as session:
        for number in range(published_keys.MOST_UNAPPROVED - 1):
            submitted = {"expires_at": None, "actor": Identity()}
            published_keys.submit_key(session, "clair", f"more-{number}", public(), **submitted)  # type: ignore[arg-type]
    assert put(client, "two", public(), signed(PAIR, "two")).status_code == 429
    with database.write() as session:
        session.execute(update(PublishedKey).values(created_at=now() - published_keys.UNAPPROVED_LIFE))
    assert put(client, "two", public(), signed(PAIR, "two")).status_code == 202


def test_the_registrys_own_keys_are_for_reading(client: FlaskClient, database: Database) -> None:
    with database.write() as session:
        kid = create_service_key(session).kid
    answer = client.get("/keys/services/drydock/keys").json
    assert answer
    assert [key.keys() for key in answer["keys"]] == [{"kid", "kty", "crv", "x"}]
    assert status(client, kid, "drydock") == 200
    path = f"/keys/services/drydock/keys/{kid}"
    assert client.delete(path, headers=signed(PAIR, kid, iss="drydock")).status_code in (400, 403)
    assert client.put(path, json=public(), headers=signed(PAIR, kid, iss="drydock")).status_code in (400, 409)


@pytest.mark.parametrize("name", ["%00", "a%00b", "k" * 256])
def test_what_is_no_name_is_not_looked_for(client: FlaskClient, name: str) -> None:
    assert [status(client, name), status(client, "one", name)] == [404, 404]
    assert client.get(f"/keys/services/{name}/keys").status_code == 404
    assert put(client, name, public(), signed(PAIR, None)).status_code == 404


def test_nobody_fills_the_list_of_those_who_wait(client: FlaskClient) -> None:
    answers = [put(client, f"key{number}", public(), signed(PAIR, None)) for number in range(ASKING.free + 1)]
    assert [answer.status_code for answer in answers] == [202] * ASKING.free + [429]
    assert int(answers[-1].headers["Retry-After"]) > 0
