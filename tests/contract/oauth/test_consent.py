"""The page that asks a person: what it tells, whom it believes, and where it never leads."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from sqlalchemy import select, update

from models.session import Database
from models.tables import AuthorizationCode, BrowserSession, LogEntry, OAuthToken, User
from models.tables.base import now
from registry.services import Services
from tests.factories.browser import Browser
from tests.factories.oauth import PKCE, VERIFIER, Flow, answered


def test_who_is_not_signed_in_signs_in_and_comes_back(flow: Flow, app: Flask) -> None:
    flow.browser = Browser(app)
    path = flow.path()
    answer = flow.ask()
    assert answer.status_code == 303
    target = urlsplit(answer.headers["Location"])
    assert target.path == "/signin"
    assert parse_qs(target.query)["next"] == [path]


def test_the_page_says_who_asks_and_for_what(flow: Flow) -> None:
    shown = flow.ask(scope="repo:write org:admin")
    assert shown.status_code == 200
    for text in (
        "Harbour pilot",
        "Brings ships in.",
        "<strong>acme</strong>",
        'href="https://app.example.com" rel="noopener noreferrer"',
        "signed in as <strong>reader</strong>",
        "push to all the repositories you can write to",
        "Administer your organizations",
        "lasting harm",
        "https://app.example.com/callback?from=drydock",
        "Authorize Application",
    ):
        assert text in shown.text, text
    assert shown.text.count('class="danger"') == 1
    assert 'class="danger"' not in flow.ask().text


def test_the_page_runs_nothing_and_is_in_nobodys_frame(flow: Flow) -> None:
    headers = flow.ask().headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy
    assert policy.endswith("form-action 'self' https://app.example.com")
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("redirect_uri", "source"),
    [
        ("http://127.0.0.1:8000/cb", "http://127.0.0.1:8000"),
        ("http://[::1]:8000/cb", "http:"),
        ("com.example.app:/cb", "com.example.app:"),
    ],
)
def test_the_form_may_lead_to_the_application(
    flow: Flow, app: Flask, services: Services, redirect_uri: str, source: str
) -> None:
    other = Flow(app, services, redirect_uri=redirect_uri)
    other.browser.enter(services, "reader")
    assert other.ask().headers["Content-Security-Policy"].endswith(f"form-action 'self' {source}")


def test_what_an_application_says_of_itself_is_only_text(flow: Flow, app: Flask, services: Services) -> None:
    other = Flow(app, services, application_uri="javascript:alert(1)", description="<script>alert(1)</script>")
    other.browser.enter(services, "reader")
    shown = other.ask(state='"><script>alert(2)</script>').text
    assert "<script" not in shown
    assert "javascript:" not in shown


@pytest.mark.parametrize("response_type", ["code", "token"])
@pytest.mark.parametrize(
    "redirect_uri",
    [
        "https://evil.example/callback?from=drydock",
        "https://app.example.com/callback",
        "https://app.example.com/callback?from=drydock&more=1",
        "https://app.example.com/callback?from=drydock/../evil",
        "https://APP.example.com/callback?from=drydock",
        "https://app.example.com:443/callback?from=drydock",
        "http://app.example.com/callback?from=drydock",
        "https://app.example.com/callback?from=drydock#x",
        "https://app.example.com.evil.example/callback?from=drydock",
        "https://app.example.com@evil.example/callback",
        "//app.example.com/callback?from=drydock",
        "javascript:alert(1)",
        'https://app.example.com/"\\\x7f',
    ],
)
def test_nobody_is_sent_to_an_address_that_is_not_registered(flow: Flow, redirect_uri: str, response_type: str) -> None:
    for scope in ("repo:read", "nonsense"):
        answer = flow.ask(redirect_uri=redirect_uri, response_type=response_type, scope=scope)
        assert answer.status_code == 400
        assert "Location" not in answer.headers
        assert "redirect_uri" in answer.text
        flow.browser.get("/signout")  # for its CSRF token
        fields = flow.fields(redirect_uri=redirect_uri, response_type=response_type, scope=scope)
        for path in ("/oauth/authorizeapp", "/oauth/denyapp"):
            refused = flow.browser.submit(path, **fields)
            assert (refused.status_code, "Location" in refused.headers) == (400, False)


@pytest.mark.parametrize("client_id", ["", "NOSUCH", "x" * 5000, "\0", "drydock\n"])
def test_an_unknown_application_is_told_to_the_person(flow: Flow, client_id: str) -> None:
    answer = flow.ask(client_id=client_id)
    assert answer.status_code == 400
    assert "client_id" in answer.text
    assert "Location" not in answer.headers


def test_an_application_without_an_address_sends_nobody(flow: Flow, app: Flask, services: Services) -> None:
    other = Flow(app, services, redirect_uri="")
    other.browser.enter(services, "reader")
    assert other.ask(redirect_uri=None).status_code == 400


def test_one_registered_address_need_not_be_named(flow: Flow) -> None:
    assert "code" in answered(flow.consent(redirect_uri=None))


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": ""}, "invalid_request"),
        ({"response_type": "id_token"}, "unsupported_response_type"),
        ({"response_type": 'code"\\\n'}, "unsupported_response_type"),
        ({"response_type": "code token"}, "unsupported_response_type"),
        ({"scope": None}, "invalid_scope"),
        ({"scope": ""}, "invalid_scope"),
        ({"scope": "repo:read repo:all"}, "invalid_scope"),
        ({"scope": "direct_user_login"}, "invalid_scope"),
        ({"state": "a\0"}, "invalid_request"),
        ({**PKCE, "code_challenge_method": "plain"}, "invalid_request"),
        ({**PKCE, "code_challenge_method": None}, "invalid_request"),
        ({**PKCE, "code_challenge": None}, "invalid_request"),
        ({**PKCE, "code_challenge": "short"}, "invalid_request"),
    ],
)
def test_what_else_is_wrong_is_told_to_the_application(flow: Flow, changed: dict[str, str | None], error: str) -> None:
    given = answered(flow.ask(**changed))
    assert given["error"] == error
    assert given["state"] == changed.get("state", "a state & more")
    assert "code" not in given


@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "scope", "state", "response_type", "code_challenge"])
def test_no_parameter_comes_twice(flow: Flow, name: str) -> None:
    answer = flow.browser.get(f"{flow.path(**PKCE)}&{name}=other")
    if name in {"client_id", "redirect_uri"}:
        assert (answer.status_code, "Location" in answer.headers) == (400, False)
    else:
        assert answered(answer)["error"] == "invalid_request"


def test_errors_of_the_implicit_grant_are_in_the_fragment(flow: Flow) -> None:
    given = answered(flow.ask(response_type="token", scope="nonsense"), fragment=True)
    assert (given["error"], given["state"]) == ("invalid_scope", "a state & more")
    assert "error" not in parse_qs(urlsplit(flow.ask(response_type="token", scope="x").headers["Location"]).query)


def test_consent_gives_a_code(flow: Flow, database: Database) -> None:
    given = answered(flow.consent())
    assert given.keys() == {"code", "state"}
    assert given["state"] == "a state & more"
    with database.read() as session:
        row = session.scalars(select(AuthorizationCode)).one()
        assert given["code"] not in str(vars(row))
        assert row.expires_at - now() <= timedelta(minutes=2)
        assert session.scalars(select(OAuthToken)).all() == []


def test_consent_gives_a_token_at_once_where_that_is_asked_for(flow: Flow, database: Database) -> None:
    response = flow.consent(response_type="token")
    given = answered(response, fragment=True)
    assert given.keys() == {"access_token", "token_type", "expires_in", "scope", "state"}
    assert (given["token_type"], given["expires_in"], given["scope"]) == ("Bearer", "315576000", "repo:read user:read")
    assert "access_token" not in urlsplit(response.headers["Location"]).query
    assert flow.call(given["access_token"]).json["username"] == "reader"  # type: ignore[index]
    with database.read() as session:
        row = session.scalars(select(OAuthToken)).one()
        assert given["access_token"] not in str(vars(row))
        entry = session.scalars(select(LogEntry).where(LogEntry.kind == "create_oauth_api_token")).one()
        assert (entry.performer, entry.detail["application_name"]) == ("reader", "Harbour pilot")
        assert entry.ip == "127.0.0.1"


@pytest.mark.parametrize("response_type", ["code", "token"])
def test_a_person_may_decline(flow: Flow, database: Database, response_type: str) -> None:
    response = flow.consent(to="/oauth/denyapp", response_type=response_type)
    given = answered(response, fragment=response_type == "token")
    assert (given["error"], given["state"]) == ("access_denied", "a state & more")
    with database.read() as session:
        assert session.scalars(select(AuthorizationCode)).all() == []
        assert session.scalars(select(OAuthToken)).all() == []


def test_nobody_consents_for_somebody_else(flow: Flow, app: Flask, services: Services, database: Database) -> None:
    flow.ask()
    other = Browser(app)
    other.enter(services, "writer")
    other.get("/signout")  # for its CSRF token
    for token in ("", "0" * 64, other.csrf):
        refused = flow.browser.submit("/oauth/authorizeapp", csrf_token=token, **flow.fields())
        assert refused.status_code == 403
        assert "Location" not in refused.headers
    stranger = Browser(app)
    stranger.get("/signin")
    assert stranger.submit("/oauth/authorizeapp", **flow.fields()).status_code == 401
    with database.read() as session:
        assert session.scalars(select(AuthorizationCode)).all() == []


def grow_stale(database: Database) -> None:
    """The password was given too long ago for what is dangerous."""
    with database.write() as session:
        session.execute(update(User).where(User.name == "reader").values(password_hash="x"))
        session.execute(update(BrowserSession).values(authenticated_at=now() - timedelta(minutes=11)))


def test_a_browser_left_alone_gives_no_dangerous_scope(flow: Flow, database: Database) -> None:
    dangerous = "repo:read org:admin"
    assert flow.ask(scope=dangerous).status_code == 200
    grow_stale(database)
    assert flow.ask().status_code == 200
    sent = flow.ask(scope=dangerous)
    target = urlsplit(sent.headers["Location"])
    assert (sent.status_code, target.path) == (303, "/signin")
    assert parse_qs(target.query)["next"] == [flow.path(scope=dangerous)]
    form = flow.browser.get(sent.headers["Location"])
    assert form.status_code == 200
    assert 'name="password"' in form.text
    assert 'value="reader"' in form.text
    assert flow.browser.get("/signin").status_code == 303  # who need not give it is signed in


def test_consent_that_was_long_in_coming_asks_for_the_password_first(flow: Flow, database: Database) -> None:
    fields = flow.fields(scope="org:admin")
    assert flow.ask(scope="org:admin").status_code == 200
    grow_stale(database)
    sent = flow.browser.submit("/oauth/authorizeapp", **fields)
    assert sent.status_code == 303
    assert sent.headers["Location"].startswith("/signin?again=1&next=%2Foauth%2Fauthorize%3F")
    with database.read() as session:
        assert session.scalar(select(AuthorizationCode)) is None
    assert answered(flow.browser.submit("/oauth/denyapp", **fields))["error"] == "access_denied"


def test_quays_forms_are_understood(flow: Flow) -> None:
    flow.ask()
    fields = flow.fields(response_type=None) | {"_csrf_token": flow.browser.csrf, "csrf_token": ""}
    given = answered(flow.browser.submit("/oauth/authorizeapp", **fields), fragment=True)
    assert "access_token" in given  # Quay's form has no response_type, and means a token


def test_who_consented_is_not_asked_again(flow: Flow) -> None:
    assert flow.exchange(flow.code()).status_code == 200
    for scope in ("repo:read user:read", "user:read", "user:read,repo:read"):
        assert "code" in answered(flow.ask(scope=scope))
    assert "access_token" in answered(flow.ask(response_type="token"), fragment=True)
    for scope in ("repo:write", "repo:read org:admin"):
        assert flow.ask(scope=scope).status_code == 200


def test_consent_of_the_past_does_not_count(flow: Flow, database: Database) -> None:
    assert flow.exchange(flow.code()).status_code == 200
    with database.write() as session:
        session.execute(update(OAuthToken).values(expires_at=now()))
    assert flow.ask().status_code == 200


def test_a_token_made_by_hand_is_no_consent(flow: Flow, database: Database) -> None:
    assert flow.exchange(flow.code()).status_code == 200
    with database.write() as session:
        session.execute(update(OAuthToken).values(name="ci"))
    assert flow.ask().status_code == 200


def test_consent_is_the_persons_and_the_applications_own(flow: Flow, app: Flask, services: Services) -> None:
    assert flow.exchange(flow.code()).status_code == 200
    other = Flow(app, services)
    other.browser.enter(services, "reader")
    assert other.ask().status_code == 200
    flow.browser.enter(services, "writer")
    assert flow.ask().status_code == 200


def test_programs_on_the_persons_machine_always_ask(flow: Flow, app: Flask, services: Services) -> None:
    other = Flow(app, services, redirect_uri="com.example.app:/cb")
    other.browser.enter(services, "reader")
    location = other.consent(**PKCE).headers["Location"]
    assert location.startswith("com.example.app:/cb?code=")
    code = parse_qs(urlsplit(location).query)["code"][0]
    verified = other.exchange(code, client_secret=None, code_verifier=VERIFIER)
    assert verified.status_code == 200
    assert other.ask(**PKCE).status_code == 200
