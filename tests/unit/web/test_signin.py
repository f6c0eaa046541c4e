"""The pages to sign in and out: forms that only our own pages can send, and ways that lead nowhere else."""

from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from models.session import Database
from models.tables import BrowserSession
from tests.factories.api import make_services
from tests.factories.browser import PASSWORD, Browser, make_person
from web import pages, signin
from web.page import own_path


@pytest.fixture
def app(database: Database, tmp_path: Path) -> Flask:
    app = Flask("tests")
    services = make_services(database, tmp_path)
    for part in (pages, signin):
        app.register_blueprint(part.blueprint(services))
    return app


@pytest.fixture
def browser(app: Flask) -> Browser:
    return Browser(app)


def test_a_person_signs_in_is_told_who_they_are_and_signs_out(browser: Browser, database: Database) -> None:
    make_person(database, "ann")
    shown = browser.get("/signin?next=/api/v1/")
    assert 'value="/api/v1/"' in shown.text
    answer = browser.submit("/signin", username="ann", password=PASSWORD, next="/api/v1/")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/api/v1/")
    assert "Signed in as <strong>ann</strong>" in browser.get("/").text
    assert browser.get("/signin?next=/x").headers["Location"] == "/x"
    assert browser.get("/signout").status_code == 200
    assert browser.submit("/signout").headers["Location"] == "/"
    assert "Signed in" not in browser.get("/").text
    assert "You are not signed in" in browser.get("/signout").text
    with database.read() as session:
        assert session.scalars(select(BrowserSession)).all() == []


def test_a_wrong_password_is_asked_for_again(browser: Browser) -> None:
    browser.get("/signin")
    answer = browser.submit("/signin", username="<ann>", password="wrong", next="/x")
    assert answer.status_code == 401
    assert "Invalid Username or Password" in answer.text
    assert 'value="&lt;ann&gt;"' in answer.text
    assert 'value="/x"' in answer.text
    assert "wrong" not in answer.text
    assert browser.submit("/signin", username="a" * 256, password="wrong").status_code == 401


def test_forms_of_other_sites_are_refused(browser: Browser, app: Flask, database: Database) -> None:
    make_person(database, "ann")
    own = {"username": "ann", "password": PASSWORD}
    assert browser.submit("/signin", **own).status_code == 403  # no cookie yet
    browser.get("/signin")
    other = Browser(app)
    other.get("/signin")
    for token in ("", "0" * 64, other.csrf):
        answer = browser.submit("/signin", csrf_token=token, **own)
        assert answer.status_code == 403
        assert "CSRF token" in answer.text
    assert browser.submit("/signin", **own).status_code == 303
    assert browser.submit("/signout", csrf_token=browser.csrf).status_code == 403  # that of before
    assert "Signed in as" in browser.get("/").text


def test_pages_load_and_run_nothing_and_are_kept_nowhere(browser: Browser) -> None:
    for path in ("/", "/signin", "/signout"):
        headers = browser.get(path).headers
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha256-")
        assert "form-action 'self'" in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Frame-Options"] == "DENY"


def test_the_front_page_gives_no_cookie_to_who_only_looks(browser: Browser) -> None:
    assert "Set-Cookie" not in browser.get("/").headers


def test_scripts_get_their_token(browser: Browser) -> None:
    answer = browser.get("/csrf_token")
    assert answer.json is not None
    token = answer.json["csrf_token"]
    assert browser.get("/csrf_token").json == {"csrf_token": token}
    assert "Set-Cookie" in answer.headers
    browser.get("/signin")
    assert browser.csrf == token


def test_behind_tls_the_cookie_is_bound_to_this_host(database: Database, tmp_path: Path) -> None:
    app = Flask("tests")
    app.register_blueprint(signin.blueprint(make_services(database, tmp_path, PREFERRED_URL_SCHEME="https")))
    cookie = Browser(app).get("/signin").headers["Set-Cookie"]
    assert cookie.startswith("__Host-drydock-session=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Lax"} <= set(cookie.split("; "))
    assert "Domain" not in cookie


@pytest.mark.parametrize(
    "given",
    [None, "", "x", "//evil", "/\\evil", "https://evil.example", "/a\nb", "/\t/evil", "/x\\y", "/€", "/" + "a" * 5000],
)
def test_only_own_paths_are_gone_on_to(given: str | None) -> None:
    assert own_path(given) == "/"


@pytest.mark.parametrize("given", ["/", "/api/v1/", "/oauth/authorize?client_id=x&redirect_uri=https://app.example/cb"])
def test_own_paths_are_kept(given: str) -> None:
    assert own_path(given) == given
