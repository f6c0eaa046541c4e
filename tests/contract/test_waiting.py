"""What takes long is done before a transaction that writes begins: SQLite has one writer, and all others would wait."""

import zlib
from collections.abc import Callable, Iterator
from typing import Any

import argon2
import pytest
from flask import Flask
from joserfc.jwk import RSAKey
from sqlalchemy import Connection, event

from models.session import Database
from models.tables import User
from models.users import get_user
from tests.contract.conftest import Install
from tests.factories.api import Api
from tests.factories.browser import PASSWORD, Browser, make_person
from tests.factories.triggers import PAYLOAD, active, deliver, write_token

COSTLY = [
    *((argon2.PasswordHasher, name) for name in ("hash", "verify")),
    (RSAKey, "generate_key"),
    (zlib, "compress"),
]
NEW = "another long password"


class Watch:
    """Notes what is costly, and how many transactions that write were open meanwhile."""

    def __init__(self) -> None:
        self.writing = 0
        self.done: list[tuple[str, int]] = []

    def begin(self, connection: Connection) -> None:
        self.writing += bool(connection.get_execution_options().get("writes"))

    def end(self, connection: Connection) -> None:
        self.writing -= bool(connection.get_execution_options().get("writes"))

    def noting(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*args: Any, **more: Any) -> Any:
            self.done.append((name, self.writing))
            return work(*args, **more)

        return noted


@pytest.fixture
def watch(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    watch = Watch()
    listeners = {"begin": watch.begin, "commit": watch.end, "rollback": watch.end}
    for name, listener in listeners.items():
        event.listen(database.engine, name, listener)
    for owner, name in COSTLY:
        monkeypatch.setattr(owner, name, watch.noting(name, getattr(owner, name)))
    yield watch
    for name, listener in listeners.items():
        event.remove(database.engine, name, listener)


def test_passwords_and_keys_that_superusers_make(api: Api, watch: Watch) -> None:
    assert api.post("/superuser/users/", {"username": "bob"}, by="root").status == 200
    assert api.put("/superuser/users/bob", {"password": NEW}, by="root").status == 200
    key = {"service": "robots", "expiration": None}
    assert api.post("/superuser/keys", key, by="root").status == 200
    assert watch.done == [("hash", 0), ("hash", 0), ("generate_key", 0)]


def test_refused_passwords_are_not_hashed_and_change_nothing(api: Api, watch: Watch) -> None:
    make_person(api.database, "ann")
    watch.done.clear()
    with api.database.read() as session:
        before = get_user(session, "ann").password_hash
    assert api.put("/superuser/users/ann", {"password": "short"}, by="root").status == 400
    assert api.put("/superuser/users/root", {"password": NEW}, by="root").status == 400
    assert api.post("/user/initialize", {"username": "first", "password": NEW}).status == 404
    with api.database.read() as session:
        assert get_user(session, "ann").password_hash == before
    assert watch.done == []


def test_the_first_user(install: Install, watch: Watch) -> None:
    client = install(FEATURE_USER_INITIALIZE=True).test_client()
    first = {"username": "first", "password": NEW, "access_token": True}
    assert client.post("/api/v1/user/initialize", json=first).status_code == 200
    assert client.post("/api/v1/user/initialize", json=first).status_code == 400
    assert watch.done == [("hash", 0)]


def test_what_people_do_with_their_own_passwords(app: Flask, database: Database, watch: Watch) -> None:
    browser = Browser(app)
    person = {"username": "ann", "password": PASSWORD, "email": "ann@example.com"}
    assert browser.call("POST", "/user/", person).status_code == 200
    browser.sign_in("ann")
    assert browser.call("POST", "/signin/verify", {"password": PASSWORD}).status_code == 200
    assert browser.call("POST", "/user/clientkey", {"password": PASSWORD}).status_code == 200
    assert browser.call("PUT", "/user/", {"password": NEW}).status_code == 200
    make_person(database, "bob")
    watch.done.clear()
    conversion = {"adminUser": "bob", "adminPassword": PASSWORD}
    assert browser.call("POST", "/user/convert", conversion).status_code == 200
    assert watch.done == [("verify", 0)]


def test_deliveries_are_packed_before(api: Api, watch: Watch) -> None:
    trigger = active(api)
    assert deliver(api, trigger, PAYLOAD, token="wrong").status == 403
    assert watch.done == []
    assert deliver(api, trigger, PAYLOAD, token=write_token(trigger)).status == 200
    assert watch.done == [("compress", 0)]


def test_the_watch_sees_what_is_done_while_writing(database: Database, watch: Watch) -> None:
    with database.write() as session:
        session.add(User(name="ann"))
        session.flush()
        argon2.PasswordHasher(time_cost=1, memory_cost=1024).hash("anything")
    assert watch.done == [("hash", 1)]
    assert watch.writing == 0
