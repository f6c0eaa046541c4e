"""How accounts begin: people create their own, and confirm their address where mail is sent."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from models.access import find_account
from models.authentication import Superusers, identify_basic
from models.brakes import ASKING, MAILING
from models.errors import Unauthenticated
from models.session import Database
from models.tables import LogEntry, OAuthToken, OneTimeCode, User
from models.tables.base import now
from tests.contract.conftest import Install
from tests.factories.accounts import make_user
from tests.factories.api import Api
from tests.factories.browser import PASSWORD, Browser, make_person
from tests.factories.letters import take_letters

pytestmark = pytest.mark.usefixtures("database")

OWN_USER = {
    "anonymous", "username", "avatar", "can_create_repo", "is_me", "verified", "email", "logins", "invoice_email",
    "invoice_email_address", "preferred_namespace", "tag_expiration_s", "prompts", "company", "family_name",
    "given_name", "location", "is_free_account", "has_password_set", "organizations",
}  # fmt: skip
BOB = {"username": "bob", "password": "a long password", "email": "bob@example.com"}


def expires(database: Database) -> None:
    with database.write() as session:
        session.execute(update(OneTimeCode).values(expires_at=now()))


def test_who_creates_an_account_is_signed_in(app: Flask, database: Database) -> None:
    browser = Browser(app)
    answer = browser.call("POST", "/user/", BOB)
    assert answer.status_code == 200
    assert answer.json is not None
    assert answer.json.keys() >= OWN_USER
    assert (answer.json["username"], answer.json["verified"], answer.json["has_password_set"]) == ("bob", True, True)
    assert browser.call("GET", "/user/").json["username"] == "bob"  # type: ignore[index]
    with database.read() as session:
        kinds = list(session.scalars(select(LogEntry.kind).order_by(LogEntry.id)))
    assert kinds == ["user_create", "login_success"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"username": "ann"}, "The username already exists"),
        ({"email": "ann@example.com"}, "The email address is already used"),
        ({"username": "B!"}, "Invalid namespace"),
        ({"password": "short"}, "Invalid password"),
        ({"email": "nowhere"}, "Invalid email address"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_bad_accounts_are_refused(app: Flask, database: Database, change: dict[str, Any], told: str) -> None:
    with database.write() as session:
        make_user(session, "ann")
    answer = Browser(app).call("POST", "/user/", BOB | change)
    assert answer.status_code == 400
    assert answer.json is not None
    assert told in answer.json["detail"]
    with database.read() as session:
        assert find_account(session, "bob") is None


def test_nobody_becomes_a_superuser_by_taking_a_configured_name(app: Flask) -> None:
    assert Browser(app).call("POST", "/user/", BOB | {"username": "root"}).status_code == 403


def test_accounts_cannot_be_created_by_the_hundred(app: Flask) -> None:
    browser = Browser(app)
    answers = [browser.call("POST", "/user/", BOB | {"username": "B!"}) for _ in range(ASKING.free + 1)]
    assert [answer.status_code for answer in answers] == [400] * ASKING.free + [429]
    assert int(answers[-1].headers["Retry-After"]) >= 1


def test_with_mail_the_address_is_confirmed_first(mailing: Flask, database: Database) -> None:
    browser = Browser(mailing)
    assert browser.call("POST", "/user/", {**BOB, "email": None}).status_code == 400
    answer = browser.call("POST", "/user/", BOB)
    assert (answer.status_code, answer.json) == (200, {"awaiting_verification": True})
    refused = browser.call("POST", "/signin", {"username": "bob", "password": BOB["password"]})
    assert refused.status_code == 403
    told = {"needsEmailVerification": True, "invalidCredentials": False}
    assert told.items() <= refused.json.items()  # type: ignore[union-attr]
    with pytest.raises(Unauthenticated):
        identify_basic(database, Superusers(), "bob", BOB["password"], confirmed=True)

    (letter,) = take_letters(database)
    assert letter.to == "bob@example.com"
    assert "bob" in letter.text
    assert "bob@example.com" in browser.get(letter.link).text
    with pytest.raises(AssertionError):
        browser.sign_in("bob", BOB["password"])  # to look at the page confirms nothing
    assert browser.submit("/confirm", code=letter.code).status_code == 200
    assert browser.submit("/confirm", code=letter.code).status_code == 400
    browser.sign_in("bob", BOB["password"])
    shown = browser.call("GET", "/user/").json
    assert shown is not None
    assert (shown["verified"], shown["prompts"]) == (True, ["enter_name", "enter_company"])


def test_the_mail_to_confirm_by_is_sent_again_and_nobody_learns_to_whom(mailing: Flask, database: Database) -> None:
    browser = Browser(mailing)
    browser.call("POST", "/user/", BOB)
    make_person(database, "ann")  # whose address is confirmed
    (first,) = take_letters(database)
    for address in ("bob@example.com", "ann@example.com", "nobody@example.com"):
        answer = browser.call("POST", "/user/confirmation", {"email": address})
        assert (answer.status_code, answer.json) == (200, {"status": "sent"})
    (second,) = take_letters(database)
    assert (second.to, second.subject) == ("bob@example.com", first.subject)
    assert browser.get(first.link).status_code == 400
    browser.get(second.link)
    assert browser.submit("/confirm", code=second.code).status_code == 200
    browser.sign_in("bob", BOB["password"])
    assert browser.call("POST", "/user/confirmation", {"email": "bob@example.com"}).status_code == 200
    assert take_letters(database) == []


@pytest.mark.parametrize("address", ["bob@example.com", "nobody@example.com"])
def test_nobody_has_confirmations_sent_again_and_again(mailing: Flask, database: Database, address: str) -> None:
    browser = Browser(mailing)
    browser.call("POST", "/user/", BOB)
    take_letters(database)
    answers = [browser.call("POST", "/user/confirmation", {"email": address}) for _ in range(MAILING.free + 2)]
    assert [answer.status_code for answer in answers] == [200] * MAILING.free + [429] * 2
    assert int(answers[-1].headers["Retry-After"]) >= 1
    assert len(take_letters(database)) == (MAILING.free if address == BOB["email"] else 0)


def test_who_signs_in_unconfirmed_is_led_to_another_mail(mailing: Flask, database: Database) -> None:
    browser = Browser(mailing)
    browser.call("POST", "/user/", BOB)
    take_letters(database)
    browser.get("/signin")
    assert "/confirm/again" not in browser.submit("/signin", username="bob", password="not his").text
    assert "/confirm/again" in browser.submit("/signin", username="bob", password=BOB["password"]).text
    browser.get("/confirm/again")
    told = [browser.submit("/confirm/again", email=address).text for address in (BOB["email"], "nobody@example.com")]
    assert told[0].replace("bob@", "nobody@") == told[1]
    assert browser.submit("/confirm/again", email="").status_code == 400
    assert [letter.to for letter in take_letters(database)] == ["bob@example.com"]


def test_where_no_mail_is_sent_none_is_sent_again(install: Install) -> None:
    browser = Browser(install())
    assert browser.call("POST", "/user/confirmation", {"email": "bob@example.com"}).status_code == 404


def test_confirmations_expire(mailing: Flask, database: Database) -> None:
    browser = Browser(mailing)
    browser.call("POST", "/user/", BOB)
    (letter,) = take_letters(database)
    browser.get(letter.link)
    expires(database)
    assert browser.submit("/confirm", code=letter.code).status_code == 400
    assert browser.get(letter.link).status_code == 400


def test_codes_are_kept_as_hashes_and_good_for_one_purpose(mailing: Flask, database: Database) -> None:
    browser = Browser(mailing)
    browser.call("POST", "/user/", BOB)
    (letter,) = take_letters(database)
    with database.read() as session:
        row = session.scalars(select(OneTimeCode)).one()
    assert letter.code not in (row.code_hash, row.email)
    assert browser.get(f"/recovery?code={letter.code}").status_code == 400


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ({"FEATURE_USER_CREATION": False}, 405),
        ({"FEATURE_DIRECT_LOGIN": False}, 405),
        ({"FEATURE_INVITE_ONLY_USER_CREATION": True}, 400),
        ({"FEATURE_BLACKLISTED_EMAILS": True, "BLACKLISTED_EMAIL_DOMAINS": ["Example.com"]}, 400),
        ({"FEATURE_BLACKLISTED_EMAILS": True, "BLACKLISTED_EMAIL_DOMAINS": ["ample.com"]}, 200),
    ],
)
def test_the_installation_says_who_may_create_accounts(install: Install, settings: dict[str, Any], status: int) -> None:
    browser = Browser(install(**settings))
    assert browser.call("POST", "/user/", BOB | {"email": "bob@mail.example.com"}).status_code == status


def test_without_passwords_nobody_signs_in_with_one(install: Install, database: Database) -> None:
    make_person(database, "ann")
    browser = Browser(install(FEATURE_DIRECT_LOGIN=False))
    assert browser.call("POST", "/signin", {"username": "ann", "password": PASSWORD}).status_code == 404
    assert "password" not in browser.get("/signin").text
    browser.get("/signout")
    assert browser.submit("/signin", username="ann", password=PASSWORD).status_code == 403


# user/initialize


@pytest.fixture
def empty(install: Install) -> Browser:
    return Browser(install(FEATURE_USER_INITIALIZE=True))


FIRST = {"username": "quayadmin", "password": "quaypass123", "email": "quayadmin@example.com", "access_token": True}


def test_the_first_user_is_a_superuser_with_a_token(empty: Browser, database: Database) -> None:
    answer = empty.call("POST", "/user/initialize", FIRST)
    assert answer.status_code == 200
    shown = answer.json
    assert shown is not None
    assert shown.keys() == {"access_token", "email", "encrypted_password", "username"}
    assert len(shown["access_token"]) == 40
    users = empty.call("GET", "/superuser/users/", Authorization=f"Bearer {shown['access_token']}")
    assert [user["super_user"] for user in users.json["users"]] == [True]  # type: ignore[index]
    key = shown["encrypted_password"]
    assert identify_basic(database, Superusers(), "quayadmin", key).name == "quayadmin"
    with database.read() as session:
        assert session.scalars(select(OAuthToken.expires_at)).one() is not None

    again = empty.call("POST", "/user/initialize", FIRST | {"username": "another"})
    assert again.status_code == 400
    told = {"message": "Cannot initialize user in a non-empty database"}
    assert told.items() <= again.json.items()  # type: ignore[union-attr]


def test_a_first_user_may_go_without_a_token(empty: Browser) -> None:
    shown = empty.call("POST", "/user/initialize", FIRST | {"access_token": False}).json
    assert shown is not None
    assert shown.keys() == {"email", "encrypted_password", "username"}


@pytest.mark.parametrize("body", [{"username": "quayadmin"}, FIRST | {"password": "x"}, FIRST | {"username": "B!"}])
def test_bad_first_users_are_refused(empty: Browser, database: Database, body: dict[str, Any]) -> None:
    assert empty.call("POST", "/user/initialize", body).status_code == 400
    with database.read() as session:
        assert session.scalars(select(User)).all() == []


def test_nobody_is_the_first_user_unless_the_installation_says_so(app: Flask, database: Database) -> None:
    assert Browser(app).call("POST", "/user/initialize", FIRST).status_code == 404


# invitations by mail


def invite(app: Flask, address: str) -> str:
    """Invite the address to a team; the code that is mailed there."""
    api = Api(app)
    api.post("/organization/", {"name": "acme"}, by="owner")
    api.put("/organization/acme/team/members", {"role": "member"}, by="owner")
    take_letters(api.database)
    assert api.put(f"/organization/acme/team/members/invite/{address}", by="owner").status == 200
    (letter,) = take_letters(api.database)
    return letter.code


def test_an_invitations_code_confirms_the_address_it_was_mailed_to(mailing: Flask, database: Database) -> None:
    code = invite(mailing, "bob@example.com")
    browser = Browser(mailing)
    other = BOB | {"username": "eve", "email": "eve@example.com", "invite_code": code}
    assert browser.call("POST", "/user/", other).json == {"awaiting_verification": True}
    answer = browser.call("POST", "/user/", BOB | {"invite_code": code})
    assert answer.json is not None
    assert (answer.json["username"], answer.json["verified"]) == ("bob", True)


def test_an_invitations_code_confirms_at_the_next_sign_in_too(mailing: Flask, database: Database) -> None:
    browser = Browser(mailing)
    browser.call("POST", "/user/", BOB)
    code = invite(mailing, "bob@example.com")
    own = {"username": "bob", "password": BOB["password"]}
    assert browser.call("POST", "/signin", own | {"invite_code": "wrong"}).status_code == 403
    assert browser.call("POST", "/signin", own | {"invite_code": code}).status_code == 200
    assert browser.call("GET", "/user/").json["verified"] is True  # type: ignore[index]


def test_where_only_the_invited_get_an_account_the_code_is_needed(install: Install) -> None:
    app = install(FEATURE_MAILING=True, FEATURE_INVITE_ONLY_USER_CREATION=True)
    code = invite(app, "bob@example.com")
    browser = Browser(app)
    for given in ({}, {"invite_code": "wrong"}, {"invite_code": code, "email": "eve@example.com"}):
        assert browser.call("POST", "/user/", BOB | given).status_code == 400
    assert browser.call("POST", "/user/", BOB | {"invite_code": code}).status_code == 200
