"""An administrator generates a token in a browser, as the guide to Quay's API tells, and assigns one to somebody."""

import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from sqlalchemy import select, update

from models.session import Database
from models.tables import BrowserSession, LogEntry, OAuthApplication, OAuthToken, TokenAssignment
from models.tables.base import now
from registry.services import Services
from tests.factories.browser import Browser
from tests.factories.oauth import CALLBACK, Flow, answered

LOCAL = "http://localhost/oauth/localapp"


@pytest.fixture
def owner(flow: Flow, services: Services) -> Browser:
    flow.browser.enter(services, "owner")
    return flow.browser


def shown_token(page: str) -> str:
    found = re.search(r'<pre id="token">([A-Z0-9]{40})</pre>', page)
    assert found, page
    return found[1]


def tokens(database: Database) -> list[OAuthToken]:
    with database.read() as session:
        return list(session.scalars(select(OAuthToken)))


def test_the_way_of_the_guide(flow: Flow, owner: Browser, database: Database) -> None:
    assert "/organizations" in owner.get("/").text
    assert "/organization/acme" in owner.get("/organizations").text
    assert "/organization/acme/applications" in owner.get("/organization/acme").text
    assert "Create New Application" in owner.get("/organization/acme/applications").text
    made = owner.submit("/organization/acme/applications", name="my scripts")
    assert made.status_code == 303
    application = made.headers["Location"]
    assert "my scripts" in owner.get(application).text
    assert f"{application}/token" in owner.get(application).text
    choices = owner.get(f"{application}/token").text
    assert "Generate Access Token" in choices
    assert choices.count('type="checkbox"') == 8
    chosen = owner.get(f"{application}/token?scope=repo:read&scope=org:admin&generate=1")
    assert chosen.status_code == 303
    asked = parse_qs(urlsplit(chosen.headers["Location"]).query)
    assert (asked["scope"], asked["redirect_uri"]) == (["repo:read org:admin"], [LOCAL])

    review = owner.get(chosen.headers["Location"])
    assert "Authorize Application" in review.text
    assert "shown to you, once" in review.text
    assert tokens(database) == []
    done = owner.submit("/oauth/authorizeapp", **{name: values[0] for name, values in asked.items()})
    assert (done.status_code, done.headers["Location"]) == (303, "/oauth/localapp")
    token = shown_token(owner.get("/oauth/localapp").text)
    assert token not in str(done.headers)
    assert flow.call(token, "/organization/acme/applications").status_code == 200
    assert flow.call(token, "/user/").status_code == 403
    (row,) = tokens(database)
    assert (row.name, row.scopes) == ("Generated token", "repo:read org:admin")
    assert "There is no token to show" in owner.get("/oauth/localapp").text
    with database.read() as session:
        kinds = list(session.scalars(select(LogEntry.kind).where(LogEntry.performer == "owner")))
        assert kinds[-2:] == ["create_application", "create_oauth_api_token"]


def test_a_token_is_generated_only_by_the_form(flow: Flow, owner: Browser, database: Database) -> None:
    for _ in range(2):  # although the same was consented to before
        assert flow.consent(response_type="token", redirect_uri=LOCAL).status_code == 303
    assert len(tokens(database)) == 2
    assert "access_token" not in flow.ask(response_type="token", redirect_uri=LOCAL).text
    assert len(tokens(database)) == 2


def test_a_token_is_shown_to_nobody_else(flow: Flow, owner: Browser, services: Services) -> None:
    assert flow.consent(response_type="token", redirect_uri=LOCAL).status_code == 303
    owner.enter(services, "reader")  # in the same browser
    assert "There is no token to show" in owner.get("/oauth/localapp").text
    owner.enter(services, "owner")
    assert "There is no token to show" in owner.get("/oauth/localapp").text


def test_the_cookie_that_carries_it_says_nothing(flow: Flow, owner: Browser) -> None:
    done = flow.consent(response_type="token", redirect_uri=LOCAL)
    cookie = done.headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/oauth/localapp", "Max-Age=60"} <= set(cookie.split("; "))
    shown = owner.get("/oauth/localapp")
    assert shown_token(shown.text) not in cookie
    assert "Max-Age=0" in shown.headers["Set-Cookie"]
    assert shown.headers["Cache-Control"] == "no-store"


def test_a_person_may_think_better_of_it(flow: Flow, owner: Browser, database: Database) -> None:
    done = flow.consent(to="/oauth/denyapp", response_type="token", redirect_uri=LOCAL)
    assert "Authorization canceled" in owner.get(done.headers["Location"]).text
    assert tokens(database) == []


def test_the_page_that_shows_tokens_takes_no_codes(flow: Flow, owner: Browser) -> None:
    for changed in (
        {"response_type": "code"},
        {"response_type": None},
        {"response_type": "token", "scope": "nonsense"},
    ):
        answer = flow.ask(redirect_uri=LOCAL, **changed)
        assert (answer.status_code, "Location" in answer.headers) == (400, False)


def test_nothing_is_generated_without_a_choice(flow: Flow, owner: Browser) -> None:
    path = f"/organization/acme/application/{flow.client_id}/token"
    assert "Choose what" not in owner.get(path).text
    assert "Choose what" in owner.get(f"{path}?generate=1").text
    assert "Choose what" in owner.get(f"{path}?generate=1&scope=nonsense").text


@pytest.mark.parametrize("who", [None, "member", "stranger", "root"])
def test_the_pages_are_for_administrators(flow: Flow, app: Flask, services: Services, who: str | None) -> None:
    browser = Browser(app)
    if who:
        browser.enter(services, who)
    for path in (
        "acme",
        "acme/applications",
        f"acme/application/{flow.client_id}",
        f"acme/application/{flow.client_id}/token",
    ):
        answer, unknown = (browser.get(f"/organization/{each}") for each in (path, path.replace("acme", "nosuch")))
        assert answer.status_code == (303 if who is None else 403)
        assert unknown.status_code == answer.status_code
        if who:
            assert unknown.text == answer.text
    browser.get("/signout") if who else browser.get("/signin")
    refused = browser.submit("/organization/acme/applications", name="mine")
    assert refused.status_code == (401 if who is None else 403)
    with services.database.read() as session:
        assert session.scalars(select(OAuthApplication).where(OAuthApplication.name == "mine")).all() == []


def test_forms_tell_what_is_wrong(flow: Flow, owner: Browser) -> None:
    owner.get("/organizations")
    for name in ("", "A B!", "acme"):
        answer = owner.submit("/organizations", name=name, email="")
        assert answer.status_code in {400, 409}
        assert 'role="alert"' in answer.text
    assert owner.submit("/organizations", name="neworg", email="").headers["Location"] == "/organization/neworg"
    assert owner.submit("/organization/acme/applications", name="").status_code == 400
    assert owner.submit("/organization/acme/applications", name="a\nb").status_code == 400
    assert owner.submit("/organization/acme/applications", name="x", csrf_token="").status_code == 403
    assert owner.submit("/organization/acme/applications", name="a\0").status_code == 404
    assert owner.submit("/oauth/authorize/assignuser?username=a%00").status_code == 404


def assigning(flow: Flow, **changed: str) -> dict[str, str]:
    fields = {"username": "reader", "client_id": flow.client_id, "redirect_uri": CALLBACK, "scope": "repo:read"}
    return fields | {"response_type": "token", "format": "json"} | changed


def test_an_administrator_assigns_a_token(flow: Flow, owner: Browser, services: Services, database: Database) -> None:
    owner.get("/organizations")
    answer = owner.submit("/oauth/authorize/assignuser", **assigning(flow))
    assert answer.status_code == 200
    assert answer.json == {"message": "Token assigned successfully"}
    assert tokens(database) == []
    with database.read() as session:
        uuid = session.scalars(select(TokenAssignment)).one().uuid
        entry = session.scalars(select(LogEntry).where(LogEntry.kind == "oauth_token_assigned")).one()
        assert (entry.performer, entry.detail["assigned_user"]) == ("owner", "reader")

    owner.enter(services, "writer")
    flow.consent(response_type="token", assignment_uuid=uuid)
    with database.read() as session:
        assert session.scalars(select(TokenAssignment)).one()  # not writer's
    owner.enter(services, "reader")
    answered(flow.consent(response_type="token", scope="repo:read", assignment_uuid=uuid), fragment=True)
    with database.read() as session:
        assert session.scalars(select(TokenAssignment)).all() == []


def test_quays_pages_assign_by_the_url(flow: Flow, owner: Browser, database: Database) -> None:
    owner.get("/organizations")
    query = "&".join(f"{name}={value}" for name, value in assigning(flow, redirect_uri=LOCAL).items())
    answer = owner.submit(f"/oauth/authorize/assignuser?{query}", _csrf_token=owner.csrf, csrf_token="")
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"username": "nobody"}, 404),
        ({"username": "acme"}, 404),
        ({"username": "acme+robot"}, 404),
        ({"client_id": "NOSUCH"}, 404),
        ({"scope": "nonsense"}, 400),
        ({"scope": ""}, 400),
        ({"redirect_uri": "https://evil.example/"}, 400),
        ({"redirect_uri": LOCAL, "response_type": "code"}, 400),
        ({"response_type": "id_token"}, 400),
        ({"csrf_token": "0"}, 403),
    ],
)
def test_what_cannot_be_assigned(
    flow: Flow, owner: Browser, database: Database, changed: dict[str, str], status: int
) -> None:
    owner.get("/organizations")
    assert owner.submit("/oauth/authorize/assignuser", **assigning(flow, **changed)).status_code == status
    with database.read() as session:
        assert session.scalars(select(TokenAssignment)).all() == []


def test_others_assign_nothing(flow: Flow, services: Services) -> None:
    for who in ("member", "stranger", "root"):
        flow.browser.enter(services, who)
        flow.browser.get("/signout")
        assert flow.browser.submit("/oauth/authorize/assignuser", **assigning(flow)).status_code == 403


def test_a_browser_that_rested_does_not_stand_in_its_own_way(flow: Flow, owner: Browser, database: Database) -> None:
    """That a session is used again is written down, which must not happen inside of what the form writes."""
    owner.get("/organizations")
    forms = {
        "/organizations": {"name": "rested", "email": ""},
        "/organization/acme/applications": {"name": "rested"},
        "/oauth/authorize/assignuser": assigning(flow),
        "/oauth/authorizeapp": flow.fields(),
        "/oauth/denyapp": flow.fields(),
    }
    for path, fields in forms.items():
        with database.write() as session:
            session.execute(update(BrowserSession).values(used_at=now() - timedelta(minutes=6)))
        assert owner.submit(path, **fields).status_code < 400


def test_a_token_is_assigned_and_taken_on_the_pages(flow: Flow, owner: Browser, services: Services) -> None:
    page = f"/organization/acme/application/{flow.client_id}/assign"
    shown = owner.get(page).text
    assert (shown.count('type="checkbox"'), f'value="{LOCAL}"' in shown) == (8, True)
    fields = assigning(flow, redirect_uri=LOCAL, format="")
    answer = owner.submit("/oauth/authorize/assignuser", **fields)
    assert answer.headers["Location"] == f"{page}?assigned=reader"
    assert "Assigned to reader" in owner.get(answer.headers["Location"]).text

    owner.enter(services, "reader")
    waiting = owner.get("/oauth/assigned").text
    found = re.search(r'href="(/oauth/authorize\?[^"]+)"', waiting)
    assert found, waiting
    path = found[1].replace("&amp;", "&")
    owner.get(path)
    query = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
    assert owner.submit("/oauth/authorizeapp", **query).headers["Location"] == "/oauth/localapp"
    assert flow.call(shown_token(owner.get("/oauth/localapp").text), "/repository/acme/app").status_code == 200
    assert "None waits" in owner.get("/oauth/assigned").text
