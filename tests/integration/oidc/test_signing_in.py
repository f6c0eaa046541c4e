"""Signing in at a real provider: accounts made and found, and answers that do not count."""

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from models.authentication import Superusers, identify_basic
from models.session import Database
from models.tables import ExternalLogin, LogEntry, User
from models.users import get_user
from tests.factories.accounts import make_user
from tests.factories.browser import PASSWORD, make_person
from tests.integration.oidc.conftest import Install, Traveller
from tests.services.oidc import Oidc


def users(database: Database) -> list[str]:
    with database.read() as session:
        return list(session.scalars(select(User.name).order_by(User.id)))


def test_who_comes_for_the_first_time_gets_an_account(browser: Traveller, database: Database) -> None:
    assert "Sign in with Our Keycloak" in browser.get("/signin?next=/api/v1/").text
    answer = browser.visit("ann", target="/api/v1/")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/api/v1/")
    assert "Signed in as <strong>ann</strong>" in browser.get("/").text
    shown = browser.call("GET", "/user/").json
    assert shown is not None
    assert (shown["email"], shown["verified"], shown["has_password_set"]) == ("ann@example.com", True, False)
    assert shown["prompts"] == ["confirm_username"]
    assert shown["logins"] == [
        {
            "service": "keycloak",
            "service_identifier": "subject-of-ann",
            "metadata": {"service_username": "ann", "email": "ann@example.com"},
        }
    ]
    with database.read() as session:
        entries = list(session.scalars(select(LogEntry).order_by(LogEntry.id)))
    assert [entry.kind for entry in entries] == ["user_create", "login_success"]
    assert entries[-1].detail["type"] == "keycloak"


def test_who_comes_again_has_the_same_account(app: Flask, oidc: Oidc, database: Database) -> None:
    for _ in range(2):
        browser = Traveller(app, oidc)
        browser.visit("ann")
        assert browser.call("GET", "/user/").json["username"] == "ann"  # type: ignore[index]
    assert users(database) == ["ann"]


def test_names_that_are_taken_get_a_number_and_odd_ones_are_mended(app: Flask, oidc: Oidc, database: Database) -> None:
    with database.write() as session:
        make_user(session, "ann").email = "another@example.com"
    for name in ("ann", "bob!root", "carl!odd", "dan!nul"):
        assert Traveller(app, oidc).visit(name).status_code == 303
    assert users(database) == ["ann", "ann-2", "root-2", "nnchen-von-tharau", "user"]


def test_an_address_counts_if_the_provider_has_verified_it(app: Flask, oidc: Oidc, database: Database) -> None:
    for name in ("ann!unverified", "bob!noaddress", "carl!userinfo"):
        assert Traveller(app, oidc).visit(name).status_code == 303
    with database.read() as session:
        found = {user.name: (user.email, user.verified) for user in session.scalars(select(User))}
    assert found == {"ann": (None, False), "bob": (None, False), "carl": (None, False)}


def test_the_configuration_may_name_other_claims(install: Install, oidc: Oidc, database: Database) -> None:
    names = {"PREFERRED_USERNAME_CLAIM_NAME": "sub", "VERIFIED_EMAIL_CLAIM_NAME": "email"}
    Traveller(install(KEYCLOAK_LOGIN_CONFIG=oidc.config | names), oidc).visit("ann!unverified")
    with database.read() as session:
        user = session.scalars(select(User)).one()
    assert (user.name, user.email, user.verified) == ("subject-of-ann", "ann@example.com", True)


def test_nobody_takes_over_an_account_by_its_address(browser: Traveller, database: Database) -> None:
    with database.write() as session:
        make_user(session, "taken")
    answer = browser.visit("mallory!taken")
    assert answer.status_code == 409
    assert "attach" in answer.text
    assert users(database) == ["taken"]
    assert browser.call("GET", "/user/").status_code == 401


def test_a_disabled_user_is_not_let_in(browser: Traveller, app: Flask, oidc: Oidc, database: Database) -> None:
    browser.visit("ann")
    with database.write() as session:
        get_user(session, "ann").enabled = False
    again = Traveller(app, oidc)
    assert again.visit("ann").status_code == 401
    assert again.call("GET", "/user/").status_code == 401


@pytest.mark.parametrize(
    "settings",
    [
        {"FEATURE_USER_CREATION": False},
        {"FEATURE_INVITE_ONLY_USER_CREATION": True},
        {"FEATURE_BLACKLISTED_EMAILS": True, "BLACKLISTED_EMAIL_DOMAINS": ["example.com"]},
    ],
)
def test_the_installation_says_who_gets_an_account(
    install: Install, oidc: Oidc, database: Database, settings: dict[str, Any]
) -> None:
    browser = Traveller(install(**settings), oidc)
    assert browser.visit("ann").status_code == 403
    assert users(database) == []


@pytest.mark.parametrize(
    ("name", "status", "told"),
    [
        ("ann!denied", 403, "You pressed Cancel"),
        ("ann!mixup", 400, "another service"),
        ("ann!noiss", 400, "another service"),
        ("ann!nonce", 401, "does not belong to this sign-in"),
        ("ann!audience", 401, "another audience"),
        ("ann!party", 401, "another party"),
        ("ann!issuer", 401, "another issuer"),
        ("ann!expired", 401, "has expired"),
        ("ann!future", 401, "not valid yet"),
        ("ann!subject", 401, "does not say whom"),
        ("ann!forged", 401, "not signed by a key of its issuer"),
        ("ann!none", 401, "not signed by a key of its issuer"),
        ("ann!otheruserinfo", 401, "somebody else"),
    ],
)
def test_answers_that_do_not_count(browser: Traveller, database: Database, name: str, status: int, told: str) -> None:
    answer = browser.visit(name)
    assert answer.status_code == status, answer.text
    assert told in answer.text
    assert users(database) == []
    assert browser.cookie() is None


def test_an_answer_counts_once_and_in_the_browser_that_asked(app: Flask, oidc: Oidc) -> None:
    browser, other = Traveller(app, oidc), Traveller(app, oidc)
    begun = browser.get("/signin/keycloak")
    back = browser.way_back(begun.headers["Location"], "mallory")
    assert "another browser" in other.get(back).text
    assert "another browser" in browser.get(back.replace("/callback", "/callback/cli")).text
    fresh = browser.way_back(browser.get("/signin/keycloak").headers["Location"], "ann")
    assert browser.get(fresh).status_code == 303
    assert "another browser" in browser.get(fresh).text
    assert browser.get("/oauth2/keycloak/callback").status_code == 400


def test_the_cookie_of_a_sign_in_is_sealed_and_goes_nowhere_else(browser: Traveller) -> None:
    cookie = browser.get("/signin/keycloak").headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Lax", "Path=/oauth2/", "Max-Age=600"} <= set(cookie.split("; "))
    assert "keycloak" not in cookie


def test_the_way_back_leads_to_our_own_pages_only(browser: Traveller) -> None:
    assert browser.visit("ann", target="//evil.example").headers["Location"] == "/"


def test_a_provider_may_change_its_keys(app: Flask, oidc: Oidc) -> None:
    assert Traveller(app, oidc).visit("ann").status_code == 303
    before = oidc.asked("jwks")
    assert Traveller(app, oidc).visit("ann").status_code == 303
    assert oidc.asked("jwks") == before
    oidc.change_key("ES256")
    # The keys were asked for a moment ago, so that they are not asked for again yet.
    assert Traveller(app, oidc).visit("ann").status_code == 401
    assert oidc.asked("jwks") == before


def test_providers_are_behind_the_guard(install: Install, oidc: Oidc) -> None:
    browser = Traveller(install(OUTBOUND_ALLOWED_PRIVATE_HOSTS=[]), oidc)
    answer = browser.get("/signin/keycloak")
    assert answer.status_code == 400
    assert "OUTBOUND_ALLOWED_PRIVATE_HOSTS" in answer.text


def test_a_provider_that_is_not_what_it_says_is_not_used(install: Install, oidc: Oidc) -> None:
    config = oidc.config | {"OIDC_ISSUER": "https://login.example.com/"}
    assert Traveller(install(KEYCLOAK_LOGIN_CONFIG=config), oidc).get("/signin/keycloak").status_code == 503
    down = oidc.config | {"OIDC_SERVER": "http://127.0.0.1:1/"}
    assert Traveller(install(KEYCLOAK_LOGIN_CONFIG=down), oidc).get("/signin/keycloak").status_code == 503
    assert Traveller(install(), oidc).get("/signin/unknown").status_code == 400


def test_scripts_begin_a_sign_in_as_in_quay(browser: Traveller) -> None:
    answer = browser.call("POST", "/externallogin/keycloak", {"kind": "login"})
    assert answer.status_code == 200
    url = answer.json["auth_url"]  # type: ignore[index]
    assert "tenant=1" in url
    assert "code_challenge_method=S256" in url
    assert browser.come_back(url, "ann").status_code == 303
    assert browser.call("GET", "/user/").json["username"] == "ann"  # type: ignore[index]
    assert browser.call("POST", "/externallogin/unknown", {"kind": "login"}).status_code == 400
    assert browser.call("POST", "/externallogin/keycloak", {"kind": "steal"}).status_code == 400


def test_container_clients_get_a_password_by_the_provider(browser: Traveller, database: Database) -> None:
    url = browser.call("POST", "/externallogin/keycloak", {"kind": "cli"}).json["auth_url"]  # type: ignore[index]
    answer = browser.come_back(url, "ann")
    assert answer.status_code == 200
    token = answer.text.partition("--password ")[2].split()[0].partition("<")[0]
    assert identify_basic(database, Superusers(), "$app", token).name == "ann"
    assert browser.call("GET", "/user/").status_code == 200


def test_a_login_is_attached_to_an_account_and_detached(
    browser: Traveller, app: Flask, oidc: Oidc, database: Database
) -> None:
    assert browser.call("POST", "/externallogin/keycloak", {"kind": "attach"}).status_code == 401
    make_person(database, "bob")
    browser.sign_in("bob")
    url = browser.call("POST", "/externallogin/keycloak", {"kind": "attach"}).json["auth_url"]  # type: ignore[index]
    assert "by Our Keycloak" in browser.come_back(url, "ann").text

    other = Traveller(app, oidc)
    other.visit("ann")
    assert other.call("GET", "/user/").json["username"] == "bob"  # type: ignore[index]
    assert users(database) == ["bob"]

    assert browser.call("POST", "/detachexternal/keycloak").json == {"success": True}
    assert browser.call("GET", "/user/").json["logins"] == []  # type: ignore[index]
    assert browser.call("POST", "/detachexternal/keycloak").json == {"success": True}
    with database.read() as session:
        kinds = list(session.scalars(select(LogEntry.detail).where(LogEntry.kind == "user_change_metadata")))
    assert kinds == [
        {"namespace": "bob", "attached_login": "keycloak"},
        {"namespace": "bob", "detached_login": "keycloak"},
    ]


def test_a_login_belongs_to_one_account(browser: Traveller, app: Flask, oidc: Oidc, database: Database) -> None:
    Traveller(app, oidc).visit("ann")
    make_person(database, "bob")
    browser.sign_in("bob")

    def attach(name: str) -> int:
        url = browser.call("POST", "/externallogin/keycloak", {"kind": "attach"}).json["auth_url"]  # type: ignore[index]
        return browser.come_back(url, name).status_code

    assert attach("ann") == 409
    assert attach("robert") == 200
    assert attach("robert") == 200
    assert attach("another") == 409


def test_attaching_takes_the_session_that_asked(app: Flask, oidc: Oidc, database: Database) -> None:
    make_person(database, "bob")
    browser = Traveller(app, oidc)
    browser.sign_in("bob")
    url = browser.call("POST", "/externallogin/keycloak", {"kind": "attach"}).json["auth_url"]  # type: ignore[index]
    browser.call("POST", "/signout")
    assert browser.come_back(url, "ann").status_code == 403
    with database.read() as session:
        assert session.scalars(select(ExternalLogin)).all() == []


def test_the_only_way_in_is_not_detached(browser: Traveller) -> None:
    browser.visit("ann")
    browser.get("/")
    answer = browser.call("POST", "/detachexternal/keycloak")
    assert answer.status_code == 400
    browser.call("PUT", "/user/", {"password": PASSWORD})
    assert browser.call("POST", "/detachexternal/keycloak").status_code == 200
