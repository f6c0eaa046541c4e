"""What people change about their own accounts, and how accounts end."""

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from models import external_logins
from models.access import find_repository
from models.authentication import Superusers, identify_basic, identify_user
from models.errors import Unauthenticated
from models.external_logins import Person
from models.session import Database
from models.tables import Account, BrowserSession, ExternalLogin, LogEntry, Robot, TeamMember
from models.tables.base import now
from models.users import get_user
from tests.contract.conftest import Install
from tests.factories.accounts import ALL_SCOPES, identity_of, make_user
from tests.factories.api import Api
from tests.factories.browser import PASSWORD, Browser, make_person
from tests.factories.world import make_repository

pytestmark = pytest.mark.usefixtures("database")

PROBLEM = {"message", "detail", "error_message", "error_type", "title", "type", "status"}
OWN_USER = {
    "anonymous", "username", "avatar", "can_create_repo", "is_me", "verified", "email", "logins", "invoice_email",
    "invoice_email_address", "preferred_namespace", "tag_expiration_s", "prompts", "company", "family_name",
    "given_name", "location", "is_free_account", "has_password_set", "organizations",
}  # fmt: skip
NEW = "another horse"


def last_entry(database: Database) -> tuple[str, dict[str, Any], str | None]:
    with database.read() as session:
        entry = session.scalars(select(LogEntry).order_by(LogEntry.id.desc()).limit(1)).one()
        return entry.kind, entry.detail, entry.performer


def test_a_new_password_ends_all_other_sessions(ann: Browser, app: Flask, database: Database) -> None:
    other = Browser(app)
    other.sign_in("ann")
    answer = ann.call("PUT", "/user/", {"password": NEW})
    assert answer.status_code == 200
    assert answer.json.keys() >= OWN_USER  # type: ignore[union-attr]
    assert ann.call("GET", "/user/").status_code == 200
    assert other.call("GET", "/user/").status_code == 401
    assert identify_user(database, Superusers(), "ann", NEW).name == "ann"
    with pytest.raises(Unauthenticated):
        identify_user(database, Superusers(), "ann", PASSWORD)
    assert ann.call("PUT", "/user/", {"password": "short"}).status_code == 400


def test_a_stale_session_changes_nothing(ann: Browser, database: Database) -> None:
    with database.write() as session:
        session.execute(update(BrowserSession).values(authenticated_at=now() - timedelta(minutes=11)))
    for method, path, body in (
        ("PUT", "/user/", {"email": "new@example.com"}),
        ("DELETE", "/user/", None),
        ("POST", "/user/clientkey", {"password": PASSWORD}),
        ("POST", "/user/convert", {"adminUser": "bob", "adminPassword": "x"}),
        ("POST", "/organization/", {"name": "acme"}),
        ("POST", "/externallogin/keycloak", {"kind": "attach"}),
        ("POST", "/detachexternal/keycloak", None),
    ):
        answer = ann.call(method, path, body)
        assert (answer.status_code, answer.json["error_type"]) == (401, "fresh_login_required")  # type: ignore[index]
    ann.call("POST", "/signin/verify", {"password": PASSWORD})
    assert ann.call("PUT", "/user/", {"email": "new@example.com"}).status_code == 200


def test_a_token_cannot_change_by_what_its_user_signs_in(app: Flask) -> None:
    api = Api(app)
    for body in ({"password": NEW}, {"email": "mine@example.com"}):
        assert api.put("/user/", body, by="ann").status == 403
        assert api.put("/user/", body, by="ann", scopes="user:admin").status == 403
    assert api.put("/user/", {"invoice_email": True}, by="ann", scopes="user:admin").body["invoice_email"] is True
    assert api.put("/user/", {"invoice_email": True}, by="ann", scopes="user:read").status == 403
    assert api.put("/user/", {}).status == 401


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"invoice_email": True}, "user_change_invoicing"),
        ({"invoice_email_address": "money@example.com"}, "user_change_invoicing"),
        ({"tag_expiration_s": 86400}, "user_change_tag_expiration"),
        ({"email": "new@example.com"}, "user_change_email"),
    ],
)
def test_changes_are_shown_and_logged(ann: Browser, database: Database, body: dict[str, Any], kind: str) -> None:
    answer = ann.call("PUT", "/user/", body)
    assert answer.status_code == 200
    assert body.items() <= answer.json.items()  # type: ignore[union-attr]
    assert last_entry(database)[::2] == (kind, "ann")
    assert ann.call("PUT", "/user/", {"invoice_email_address": None}).json["invoice_email_address"] is None  # type: ignore[index]


@pytest.mark.parametrize(
    "body",
    [
        {"tag_expiration_s": 12345},
        {"tag_expiration_s": -1},
        {"email": "nowhere"},
        {"invoice_email_address": "nowhere"},
        {"invoice_email": "yes"},
        {"given_name": "x" * 256},
        {"username": "another"},
        {"enabled": False},
        {"email": "bob@example.com"},
    ],
)
def test_bad_changes_change_nothing(ann: Browser, database: Database, body: dict[str, Any]) -> None:
    with database.write() as session:
        make_user(session, "bob")
    before = ann.call("GET", "/user/").json
    answer = ann.call("PUT", "/user/", {"invoice_email": True} | body)
    assert answer.status_code == 400
    assert answer.json.keys() >= PROBLEM  # type: ignore[union-attr]
    assert ann.call("GET", "/user/").json == before


def test_a_profile_is_kept_only_where_it_is_asked_for(ann: Browser) -> None:
    answer = ann.call("PUT", "/user/", {"given_name": "Ann", "company": "Acme"})
    assert answer.json["given_name"] is None  # type: ignore[index]


def test_prompts_go_with_their_answers(mailed_ann: Browser, database: Database) -> None:
    with database.write() as session:
        get_user(session, "ann").prompts = ["enter_name", "enter_company"]
    answer = mailed_ann.call("PUT", "/user/", {"given_name": "Ann", "family_name": None}).json
    assert answer is not None
    assert (answer["given_name"], answer["family_name"], answer["prompts"]) == ("Ann", None, ["enter_company"])
    assert mailed_ann.call("PUT", "/user/", {"company": ""}).json["prompts"] == []  # type: ignore[index]


def test_a_name_given_by_another_service_may_be_changed_once(ann: Browser, database: Database) -> None:
    with database.write() as session:
        user = get_user(session, "ann")
        user.prompts = ["confirm_username"]
        session.add(Robot(name="ann+bot", owner=user))
        make_repository(session, "ann/app", actor=identity_of(user))
    assert ann.call("PUT", "/user/", {"username": "root"}).status_code == 403
    answer = ann.call("PUT", "/user/", {"username": "anna"})
    assert (answer.json["username"], answer.json["prompts"]) == ("anna", [])  # type: ignore[index]
    assert last_entry(database)[:2] == ("user_change_name", {"namespace": "anna", "old_username": "ann"})
    with database.read() as session:
        assert find_repository(session, "anna", "app") is not None
        assert session.scalars(select(Robot.name)).one() == "anna+bot"
    assert ann.call("PUT", "/user/", {"username": "annb"}).status_code == 400


# client keys


def test_a_client_key_stands_for_the_password_until_it_changes(ann: Browser, database: Database) -> None:
    assert ann.call("POST", "/user/clientkey", {"password": "wrong"}).status_code == 400
    answer = ann.call("POST", "/user/clientkey", {"password": PASSWORD})
    assert answer.status_code == 200
    key = answer.json["key"]  # type: ignore[index]
    assert last_entry(database)[::2] == ("user_generate_client_key", "ann")
    for name in ("ann", "ann@example.com"):
        assert identify_basic(database, Superusers(), name, key).name == "ann"
    make_person(database, "bob")
    for name, tried in (("bob", key), ("ann", key[:-8] + "AAAAAAA="), ("nobody", key)):
        with pytest.raises(Unauthenticated):
            identify_basic(database, Superusers(), name, tried)
    with pytest.raises(Unauthenticated):
        identify_user(database, Superusers(), "ann", key)  # not in a browser
    ann.call("PUT", "/user/", {"password": NEW})
    with pytest.raises(Unauthenticated):
        identify_basic(database, Superusers(), "ann", key)


# convertUserToOrganization


def test_a_user_becomes_an_organization_of_another(ann: Browser, database: Database) -> None:
    make_person(database, "bob")
    ann.call("PUT", "/user/robots/bot", {})
    ann.call("POST", "/repository", {"repository": "app", "visibility": "private", "description": ""})
    with database.write() as session:
        user = get_user(session, "ann")
        external_logins.attach(session, user, "keycloak", Person("1", None, None, False), actor=identity_of(user))
    for body in (
        {"adminUser": "bob", "adminPassword": "wrong"},
        {"adminUser": "ann", "adminPassword": PASSWORD},
        {"adminUser": "nobody", "adminPassword": PASSWORD},
    ):
        refused = ann.call("POST", "/user/convert", body)
        assert refused.status_code == 400, refused.text
    answer = ann.call("POST", "/user/convert", {"adminUser": "bob", "adminPassword": PASSWORD, "plan": "free"})
    assert (answer.status_code, answer.json) == (200, {"success": True})
    assert ann.call("GET", "/user/").json["username"] == "bob"  # type: ignore[index]
    shown = ann.call("GET", "/organization/ann").json
    assert shown is not None
    assert (shown["is_admin"], list(shown["teams"])) == (True, ["owners"])
    assert ann.call("GET", "/repository/ann/app").json["is_organization"] is True  # type: ignore[index]
    assert ann.call("GET", "/organization/ann/robots/bot").json["name"] == "ann+bot"  # type: ignore[index]
    with database.read() as session:
        account = session.scalars(select(Account).where(Account.name == "ann")).one()
        assert (account.kind, account.password_hash) == ("organization", None)
        assert session.scalars(select(BrowserSession.account_id)).all() != [account.id]
        assert session.scalars(select(TeamMember.account_id)).all() != [account.id]
        assert session.scalars(select(ExternalLogin)).all() == []
        kinds = list(session.scalars(select(LogEntry.kind).order_by(LogEntry.id)))
    assert kinds[-2:] == ["account_convert", "login_success"]
    with pytest.raises(Unauthenticated):
        identify_user(database, Superusers(), "ann", PASSWORD)


def test_a_password_opens_no_session_where_nobody_signs_in_by_one(install: Install, database: Database) -> None:
    make_person(database, "ann")
    make_person(database, "bob")
    app = install(FEATURE_DIRECT_LOGIN=False)
    browser = Browser(app)
    browser.enter(app.extensions["drydock"], "ann")
    browser.call("GET", "/user/")
    answer = browser.call("POST", "/user/convert", {"adminUser": "bob", "adminPassword": PASSWORD})
    assert (answer.status_code, answer.json) == (200, {"success": True})
    assert browser.call("GET", "/user/").status_code == 401


def test_the_only_administrator_of_an_organization_is_not_converted(ann: Browser, database: Database) -> None:
    make_person(database, "bob")
    ann.call("POST", "/organization/", {"name": "acme"})
    answer = ann.call("POST", "/user/convert", {"adminUser": "bob", "adminPassword": PASSWORD})
    assert answer.status_code == 400
    assert "acme" in answer.json["detail"]  # type: ignore[index]


# deleteCurrentUser


def test_people_end_their_own_account(ann: Browser, database: Database) -> None:
    ann.call("POST", "/organization/", {"name": "acme"})
    assert ann.call("DELETE", "/user/").status_code == 400
    ann.call("DELETE", "/organization/acme")
    answer = ann.call("DELETE", "/user/")
    assert (answer.status_code, answer.data) == (204, b"")
    assert ann.cookie() is None
    assert last_entry(database)[::2] == ("user_delete", "ann")
    assert ann.call("GET", "/user/").status_code == 401


def test_superusers_do_not_end_themselves(app: Flask) -> None:
    assert Api(app).delete("/user/", by="root").status == 400


def test_ending_an_account_takes_the_scope(app: Flask) -> None:
    api = Api(app)
    assert api.delete("/user/", by="ann", scopes="user:read").status == 403
    assert api.delete("/user/").status == 401
    assert api.delete("/user/", by="ann", scopes=ALL_SCOPES).status == 204
