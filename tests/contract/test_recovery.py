"""Mail as proof of who somebody is: addresses changed, forgotten passwords replaced."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from models.session import Database
from models.tables import LogEntry
from tests.contract.conftest import Install
from tests.factories.accounts import make_user
from tests.factories.api import Api
from tests.factories.browser import Browser, make_person
from tests.factories.letters import take_letters

pytestmark = pytest.mark.usefixtures("database")

NEW = "another horse"


def last_entry(database: Database) -> tuple[str, dict[str, Any], str | None]:
    with database.read() as session:
        entry = session.scalars(select(LogEntry).order_by(LogEntry.id.desc()).limit(1)).one()
        return entry.kind, entry.detail, entry.performer


def test_a_new_address_counts_once_it_is_confirmed(mailed_ann: Browser, database: Database) -> None:
    answer = mailed_ann.call("PUT", "/user/", {"email": "new@example.com"})
    assert answer.json["email"] == "ann@example.com"  # type: ignore[index]
    (letter,) = take_letters(database)
    assert letter.to == "new@example.com"
    mailed_ann.get(letter.link)
    assert mailed_ann.submit("/confirm", code=letter.code).status_code == 200
    assert mailed_ann.call("GET", "/user/").json["email"] == "new@example.com"  # type: ignore[index]
    kind, detail, performer = last_entry(database)
    assert (kind, performer) == ("user_change_email", "ann")
    assert detail == {"namespace": "ann", "email": "new@example.com", "old_email": "ann@example.com"}
    assert [told.to for told in take_letters(database)] == ["ann@example.com"]


def test_nobody_has_us_mail_an_address_again_and_again(mailed_ann: Browser, database: Database) -> None:
    answers = [mailed_ann.call("PUT", "/user/", {"email": "bob@example.com"}).status_code for _ in range(5)]
    assert answers == [200, 200, 200, 429, 429]
    assert len(take_letters(database)) == 3


def test_an_address_that_somebody_took_meanwhile_is_not_given(mailed_ann: Browser, database: Database) -> None:
    mailed_ann.call("PUT", "/user/", {"email": "bob@example.com"})
    (letter,) = take_letters(database)
    with database.write() as session:
        make_user(session, "bob")
    mailed_ann.get(letter.link)
    assert mailed_ann.submit("/confirm", code=letter.code).status_code == 409
    assert mailed_ann.call("GET", "/user/").json["email"] == "ann@example.com"  # type: ignore[index]


def test_a_forgotten_password_is_replaced_by_mail(mailed_ann: Browser, mailing: Flask, database: Database) -> None:
    forgetful = Browser(mailing)
    asked = forgetful.call("POST", "/recovery", {"email": "ann@example.com"})
    assert (asked.status_code, asked.json) == (200, {"status": "sent"})
    (letter,) = take_letters(database)
    assert letter.to == "ann@example.com"
    assert "for ann" in forgetful.get(letter.link).text
    bad = forgetful.submit("/recovery/password", code=letter.code, password="short")
    assert bad.status_code == 400
    assert "Invalid password" in bad.text
    assert forgetful.submit("/recovery/password", code=letter.code, password=NEW).status_code == 303
    assert forgetful.call("GET", "/user/").json["username"] == "ann"  # type: ignore[index]
    assert mailed_ann.call("GET", "/user/").status_code == 401
    assert [told.subject for told in take_letters(database)] == ["Drydock: Your password was changed"]
    again = Browser(mailing)
    assert again.get(letter.link).status_code == 400
    with database.read() as session:
        entries = session.scalars(select(LogEntry.kind).order_by(LogEntry.id)).all()
    assert entries[-2:] == ["account_change_password", "login_success"]


def test_the_page_for_forgotten_passwords_sends_the_same_mail(mailing: Flask, database: Database) -> None:
    make_person(database, "ann")
    browser = Browser(mailing)
    assert "/recovery" in browser.get("/signin").text
    browser.get("/recovery")
    for address in ("ann@example.com", "nobody@example.com"):
        answer = browser.submit("/recovery", email=address)
        assert answer.status_code == 200
        assert f"If {address} is the address of an account here" in answer.text
    assert browser.submit("/recovery", email="").status_code == 400
    assert [letter.to for letter in take_letters(database)] == ["ann@example.com"]


def test_who_asks_for_a_mail_learns_nothing(mailing: Flask, database: Database) -> None:
    with database.write() as session:
        get_off = make_user(session, "off")
        get_off.enabled = False
        owner = make_user(session, "owner")
        make_user(session, "ann")
    api = Api(mailing)
    api.post("/organization/", {"name": "acme", "email": "acme@example.com"}, by="owner")
    answers = {
        name: api.post("/recovery", {"email": f"{name}@example.com"}) for name in ("ann", "nobody", "off", "acme")
    }
    assert {(answer.status, answer.text) for answer in answers.values()} == {(200, '{"status":"sent"}')}
    letters = take_letters(database)
    assert [letter.to for letter in letters] == ["ann@example.com", "acme@example.com"]
    assert owner.name in letters[1].text
    tries = [api.post("/recovery", {"email": "nobody@example.com"}).status for _ in range(3)]
    assert tries == [200, 200, 429]


def test_without_mail_there_is_no_recovery(app: Flask, database: Database) -> None:
    api = Api(app)
    assert api.post("/recovery", {"email": "ann@example.com"}).status == 404
    assert api.post("/superusers/users/ann/sendrecovery", by="root").status == 404


def test_a_password_that_lets_nobody_in_is_not_replaced(install: Install, database: Database) -> None:
    app = install(FEATURE_MAILING=True, FEATURE_DIRECT_LOGIN=False)
    assert Api(app).post("/recovery", {"email": "ann@example.com"}).status == 404
    browser = Browser(app)
    assert [browser.get(path).status_code for path in ("/recovery", "/recovery?code=x", "/confirm")] == [404, 404, 400]
    assert browser.submit("/recovery/password", code="x", password="a long password").status_code == 404


def test_superusers_send_recovery_mail(mailing: Flask, database: Database) -> None:
    api = Api(mailing)
    with database.write() as session:
        make_user(session, "ann")
        make_user(session, "nomail").email = None
    answer = api.post("/superusers/users/ann/sendrecovery", by="root")
    assert (answer.status, answer.body) == (200, {"email": "ann@example.com"})
    assert [letter.to for letter in take_letters(database)] == ["ann@example.com"]
    assert api.post("/superusers/users/root/sendrecovery", by="root").status == 400
    assert api.post("/superusers/users/nomail/sendrecovery", by="root").status == 400
    assert api.post("/superusers/users/nobody/sendrecovery", by="root").status == 404
    assert api.post("/superusers/users/ann/sendrecovery", by="ann").status == 403


def test_a_user_made_by_a_superuser_confirms_the_address_too(mailing: Flask, database: Database) -> None:
    api = Api(mailing)
    made = api.post("/superuser/users/", {"username": "bob", "email": "bob@example.com"}, by="root").body
    assert isinstance(made["encrypted_password"], str)
    assert api.get("/superuser/users/bob", by="root").body["verified"] is False
    assert [letter.to for letter in take_letters(database)] == ["bob@example.com"]
