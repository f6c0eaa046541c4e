"""Tokens as people and applications get them: the guide's way in a real browser, and Authlib's own client."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from authlib.integrations.requests_client import OAuth2Session

from tests.e2e.clients.browser import Page, browser
from tests.e2e.clients.people import Person
from tests.e2e.clients.relying_party import Callback
from tests.e2e.clients.rest import Rest
from tests.services.drydock import Drydock

SCOPES = "repo:read user:read"
VERIFIER = "0123456789-a-verifier-that-is-long-enough-0123456789"


@pytest.fixture
def callback() -> Iterator[Callback]:
    """The application's own place on the web."""
    with Callback().running() as server:
        yield server


@pytest.fixture
def page(drydock: Drydock, alice: Person, tmp_path: Path) -> Iterator[Page]:
    """A browser in which Alice signs in on the way to her organizations."""
    with browser(tmp_path) as opened:
        opened.open(f"{drydock.url}/organizations")
        opened.fill("[name=username]", alice.name)
        opened.fill("[name=password]", alice.password)
        opened.click("form[action='/signin'] button")
        opened.wait("document.title.startsWith('Organizations')")
        yield opened


def follow(page: Page, text: str) -> None:
    """Click the link or button that reads `text`, and wait for the page it leads to."""
    page.run("window.before = true")
    found = f"[...document.querySelectorAll('a, button')].find(each => each.innerText.trim() === {text!r})"
    page.wait(f"{found} !== undefined")
    page.run(f"{found}.click()")
    page.wait("window.before === undefined && document.readyState === 'complete'")


def test_the_guides_way_to_a_token(page: Page, drydock: Drydock, alice: Person, organization: str) -> None:
    page.open(f"{drydock.url}/organizations")
    follow(page, organization)
    follow(page, "Applications")
    page.fill("[name=name]", "my scripts")
    follow(page, "Create New Application")
    follow(page, "Applications")
    follow(page, "my scripts")
    follow(page, "Generate Token")
    for scope in ("org:admin", "user:read"):
        page.click(f"[value='{scope}']")
    follow(page, "Generate Access Token")
    assert "Administer your organizations" in page.text()
    follow(page, "Authorize Application")
    token = page.run("document.querySelector('#token').innerText").strip()
    assert re.fullmatch("[A-Z0-9]{40}", token)
    assert token not in page.run("location.href")

    assert Rest(drydock.url, token).get("/user/")["username"] == alice.name
    assert Rest(drydock.url, token).get(f"/organization/{organization}")["is_admin"]
    assert Rest(drydock.url, token).call("GET", "/user/robots").status == 403
    page.open(f"{drydock.url}/oauth/localapp")
    assert token not in page.text()
    assert page.complaints == []


@pytest.mark.parametrize("method", ["client_secret_basic", "none"])
def test_authlibs_client_gets_a_token(
    page: Page, callback: Callback, alice: Person, organization: str, method: str
) -> None:
    described = {"name": f"by {method}", "redirect_uri": callback.url}
    made = alice.rest.post(f"/organization/{organization}/applications", described)
    client = OAuth2Session(
        made["client_id"],
        None if method == "none" else made["client_secret"],
        redirect_uri=callback.url,
        scope=SCOPES,
        token_endpoint_auth_method=method,
        code_challenge_method="S256",
    )
    start, state = client.create_authorization_url(f"{alice.rest.url}/oauth/authorize", code_verifier=VERIFIER)
    page.open(start)
    follow(page, "Authorize Application")
    token = client.fetch_token(
        f"{alice.rest.url}/oauth/access_token",
        authorization_response=callback.visits.get(timeout=20),
        state=state,
        code_verifier=VERIFIER,
    )
    assert token["scope"] == SCOPES
    assert client.get(f"{alice.rest.url}/api/v1/user/").json()["username"] == alice.name

    page.open(start)  # nobody is asked again
    assert f"state={state}" in callback.visits.get(timeout=20)
    assert client.revoke_token(f"{alice.rest.url}/oauth/revoke", token["access_token"]).status_code == 200
    assert client.get(f"{alice.rest.url}/api/v1/user/").status_code == 401
    assert page.complaints == []
