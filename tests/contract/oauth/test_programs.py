"""How Ansible's infra.quay_configuration signs in with a password and gets a token (quay_api_token)."""

import re

from flask import Flask

from models.session import Database
from tests.factories.browser import PASSWORD, make_person
from tests.factories.oauth import Flow

PLAIN = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "ansible-httpget"}


def test_a_program_with_a_password_gets_a_token_of_an_application(flow: Flow, app: Flask, database: Database) -> None:
    make_person(database, "ann")
    client = app.test_client()
    first = client.get("/csrf_token", headers=PLAIN | {"Accept": "*/*"}).get_json()["csrf_token"]
    entered = client.post(
        "/api/v1/signin", json={"username": "ann", "password": PASSWORD}, headers=PLAIN | {"X-CSRF-Token": first}
    )
    assert (entered.status_code, entered.get_json()) == (200, {"success": True})
    csrf = {"X-CSRF-Token": entered.headers["X-Next-CSRF-Token"]}
    assert client.get("/api/v1/user/", headers=PLAIN | csrf).get_json()["username"] == "ann"
    asked = {
        "response_type": "token",
        "client_id": flow.client_id,
        "redirect_uri": "http://localhost/oauth/localapp",
        "scope": "repo:read user:read",
        "_csrf_token": csrf["X-CSRF-Token"],
    }
    given = client.post("/oauth/authorizeapp", data=asked, headers=csrf | {"Accept": "*/*"})
    assert given.status_code == 302
    token = re.search("#access_token=(.*?)&", given.headers["Location"])
    assert token, given.headers["Location"]
    shown = app.test_client().get("/api/v1/user/", headers={"Authorization": f"Bearer {token[1]}"})
    assert shown.get_json()["username"] == "ann"
    assert client.post("/api/v1/signout", headers=PLAIN | csrf).status_code == 200
    assert client.get("/api/v1/user/", headers=PLAIN | csrf).status_code == 401
