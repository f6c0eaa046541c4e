"""Browser sessions: begun with a password, good for the API with a CSRF token, and over when they have to be."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from models import sessions
from models.access import Identity
from models.passwords import hash_password
from models.session import Database
from models.tables import BrowserSession, LogEntry, User
from models.tables.base import now
from models.users import change_user
from tests.factories.api import Api
from tests.factories.browser import PASSWORD, Browser, make_person

WRONG = {"username": "ann", "password": "not hers"}


@pytest.fixture
def browser(app: Flask, database: Database) -> Browser:
    make_person(database, "ann")
    return Browser(app)


@pytest.fixture
def signed_in(browser: Browser) -> Browser:
    browser.sign_in("ann")
    return browser


def backdate(database: Database, **columns: timedelta) -> None:
    with database.write() as session:
        session.execute(update(BrowserSession).values({name: now() - ago for name, ago in columns.items()}))


def kinds(database: Database) -> list[str]:
    with database.read() as session:
        return list(session.scalars(select(LogEntry.kind).order_by(LogEntry.id)))


def test_signing_in_answers_as_quay_and_sets_a_cookie_out_of_reach_of_scripts(
    browser: Browser, database: Database
) -> None:
    answer = browser.sign_in("ann")
    assert answer.json == {"success": True}
    cookie = answer.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=2678400"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert browser.call("GET", "/user/").json["username"] == "ann"  # type: ignore[index]
    assert kinds(database)[-1] == "login_success"
    with database.read() as session:
        row = session.scalars(select(BrowserSession)).one()
    assert browser.cookie() not in (None, row.token_hash)


def test_the_address_is_as_good_as_the_name(browser: Browser) -> None:
    browser.sign_in("ann@example.com")
    assert browser.call("GET", "/user/").status_code == 200


@pytest.mark.parametrize("username", ["ann", "nobody", "ann+robot"])
def test_a_wrong_password_is_told_as_in_quay(browser: Browser, username: str) -> None:
    answer = browser.call("POST", "/signin", {"username": username, "password": "wrong"})
    assert answer.status_code == 403
    told = {"message": "Invalid Username or Password", "invalidCredentials": True, "needsEmailVerification": False}
    assert told.items() <= answer.json.items()  # type: ignore[union-attr]
    assert browser.cookie() is None


def test_a_session_is_not_anonymous_and_unlimited_in_scope(signed_in: Browser) -> None:
    answer = signed_in.call("POST", "/organization/", {"name": "acme", "email": "acme@example.com"})
    assert answer.status_code == 201, answer.text


def test_writes_need_the_csrf_token(signed_in: Browser, database: Database) -> None:
    for token in ("", "0" * 64, signed_in.csrf[:-1] + "x"):
        answer = signed_in.call("PUT", "/user/robots/bot", {}, X_CSRF_Token=token)
        assert answer.status_code == 403
        assert answer.json["detail"] == "CSRF token was invalid or missing."  # type: ignore[index]
    assert "create_robot" not in kinds(database)
    answer = signed_in.call("PUT", "/user/robots/bot", {})
    assert answer.status_code == 201
    assert answer.headers["X-Next-CSRF-Token"] == signed_in.csrf


def test_another_browsers_csrf_token_does_not_do(app: Flask, signed_in: Browser) -> None:
    other = Browser(app)
    other.sign_in("ann")
    assert signed_in.call("PUT", "/user/robots/bot", {}, X_CSRF_Token=other.csrf).status_code == 403


def test_a_bearer_token_needs_no_csrf_token_and_goes_before_the_session(signed_in: Browser, app: Flask) -> None:
    headers = {"Authorization": f"Bearer {Api(app).token('owner')}", "X_CSRF_Token": ""}
    assert signed_in.call("PUT", "/user/robots/bot", {}, **headers).json["name"] == "owner+bot"  # type: ignore[index]
    assert signed_in.call("GET", "/user/", Authorization="Bearer wrong").status_code == 401


def test_pages_of_other_sites_cannot_load_answers(signed_in: Browser) -> None:
    headers = {"X_Requested_With": "", "User_Agent": "Mozilla/5.0"}
    assert signed_in.call("GET", "/user/", **headers).status_code == 400


def test_signing_out_ends_the_session_on_the_server(signed_in: Browser, app: Flask, database: Database) -> None:
    stolen = Browser(app)
    stolen._client.set_cookie("drydock-session", signed_in.cookie() or "")
    assert stolen.call("GET", "/user/").status_code == 200
    assert signed_in.call("POST", "/signout", X_CSRF_Token="").status_code == 403
    answer = signed_in.call("POST", "/signout")
    assert (answer.status_code, answer.json) == (200, {"success": True})
    assert signed_in.cookie() is None
    assert stolen.call("GET", "/user/").status_code == 401
    assert kinds(database)[-1] == "logout_success"
    assert signed_in.call("POST", "/signout").json == {"success": True}


def test_signing_in_again_replaces_the_session(signed_in: Browser, database: Database) -> None:
    before = signed_in.cookie()
    signed_in.sign_in("ann")
    assert signed_in.cookie() != before
    with database.read() as session:
        assert len(session.scalars(select(BrowserSession)).all()) == 1


def test_a_value_chosen_by_somebody_else_never_becomes_a_session(browser: Browser) -> None:
    browser._client.set_cookie("drydock-session", "planted")
    browser.sign_in("ann")
    assert browser.cookie() != "planted"


@pytest.mark.parametrize("ended", [{"created_at": timedelta(days=31)}, {"used_at": timedelta(weeks=2)}])
def test_sessions_end_in_time(signed_in: Browser, database: Database, ended: dict[str, timedelta]) -> None:
    backdate(database, **ended)
    assert signed_in.call("GET", "/user/").status_code == 401


def test_use_keeps_a_session_alive(signed_in: Browser, database: Database) -> None:
    backdate(database, used_at=timedelta(days=13))
    assert signed_in.call("GET", "/user/").status_code == 200
    with database.read() as session:
        assert now() - session.scalars(select(BrowserSession.used_at)).one() < timedelta(minutes=1)


def test_a_disabled_user_is_signed_out_at_once(signed_in: Browser, database: Database) -> None:
    with database.write() as session:
        session.execute(update(User).where(User.name == "ann").values(enabled=False))
    assert signed_in.call("GET", "/user/").status_code == 401


def test_a_new_password_ends_every_session(signed_in: Browser, database: Database) -> None:
    with database.write() as session:
        user = session.scalars(select(User).where(User.name == "ann")).one()
        change_user(session, user, password_hash=hash_password("another horse"), actor=Identity(name="root"))
    assert signed_in.call("GET", "/user/").status_code == 401


def test_a_user_has_so_many_sessions_and_no_more(browser: Browser, app: Flask, database: Database) -> None:
    services = app.extensions["drydock"]
    with database.write() as session:
        user = session.scalars(select(User)).one()
        for _ in range(sessions.MOST_OF_ONE_USER + 5):
            value = sessions.begin_session(session, services.settings, user)
            session.flush()
        rows = session.scalars(select(BrowserSession)).all()
    assert len(rows) == sessions.MOST_OF_ONE_USER
    assert sessions.find_session(database, services.superusers, services.settings, value) is not None


def test_giving_the_password_again_makes_a_session_fresh(signed_in: Browser, database: Database) -> None:
    backdate(database, authenticated_at=timedelta(minutes=11))
    wrong = signed_in.call("POST", "/signin/verify", {"password": "wrong"})
    assert wrong.status_code == 403
    assert {"invalidCredentials": True, "message": "Invalid Username or Password"}.items() <= wrong.json.items()  # type: ignore[union-attr]
    assert signed_in.call("POST", "/signin/verify", {"password": PASSWORD}).json == {"success": True}
    with database.read() as session:
        assert now() - session.scalars(select(BrowserSession.authenticated_at)).one() < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("body", "status"),
    [({}, 400), ({"username": "ann"}, 400), ({"username": "ann", "password": 5}, 400), (None, 415)],
)
def test_what_is_not_a_sign_in_is_refused(browser: Browser, body: Any, status: int) -> None:
    assert browser.call("POST", "/signin", body).status_code == status
