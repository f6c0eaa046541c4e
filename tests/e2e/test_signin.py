"""A person with a browser signs in, is told who they are, and signs out; by password, by mail, by another service."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.clients.browser import Page, browser
from tests.e2e.clients.people import Person
from tests.services.drydock import Drydock, embedded
from tests.services.oidc import Oidc
from tests.services.smtp import Smtp

READS = "(document.body || {}).innerText || ''"


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with browser(tmp_path) as opened:
        yield opened
        assert opened.complaints == []


def reads(page: Page, text: str) -> None:
    page.wait(f"({READS}).includes({json.dumps(text)})")


def sign_in(page: Page, name: str, password: str) -> None:
    page.fill("[name=username]", name)
    page.fill("[name=password]", password)
    page.click("form button")
    reads(page, f"Signed in as {name}")


def sign_out(page: Page) -> None:
    page.click("form[action='/signout'] button")
    page.wait(f"({READS}).includes('Sign in') && !({READS}).includes('Signed in')")


def test_by_password(drydock: Drydock, alice: Person, page: Page) -> None:
    page.open(drydock.url)
    page.click("a[href='/signin']")
    sign_in(page, alice.name, alice.password)
    page.open(f"{drydock.url}/api/v1/")  # a page of ours whose scripts may call operations
    page.wait("document.querySelector('.opblock-tag') !== null")
    script = "fetch('/api/v1/user/', {headers: {'X-Requested-With': 'XMLHttpRequest'}}).then(answer => answer.json())"
    assert page.run(script)["username"] == alice.name
    assert page.run("document.cookie") == ""
    page.open(drydock.url)
    sign_out(page)


@pytest.fixture(scope="module")
def elsewhere(smtp: Smtp, oidc: Oidc) -> Iterator[Drydock]:
    """An installation that sends mail and knows another service."""
    settings = {
        **smtp.settings,
        "KEYCLOAK_LOGIN_CONFIG": json.dumps(oidc.config),
        "OUTBOUND_ALLOWED_PRIVATE_HOSTS": "127.0.0.1",
    }
    with embedded(settings=settings) as drydock:
        yield drydock


def test_by_a_new_password_that_came_by_mail(elsewhere: Drydock, smtp: Smtp, page: Page) -> None:
    elsewhere.create_user("forgetful", "a password")
    page.open(f"{elsewhere.url}/signin")
    page.click("a[href='/recovery']")
    page.fill("[name=email]", "forgetful@example.com")
    page.click("form button")
    reads(page, "Look into your mail")
    text = smtp.await_mail_to("forgetful@example.com").text
    (link,) = [word for word in text.split() if "/recovery?code=" in word]
    assert urlsplit(link).netloc == elsewhere.registry
    page.open(link)
    page.fill("[name=password]", "another password")
    page.click("form button")
    reads(page, "Signed in as forgetful")
    sign_out(page)
    page.open(f"{elsewhere.url}/signin")
    sign_in(page, "forgetful", "another password")
    assert "was changed" in smtp.await_mail_to("forgetful@example.com", number=2).text


def test_by_another_service(elsewhere: Drydock, oidc: Oidc, page: Page) -> None:
    page.open(f"{elsewhere.url}/signin")
    page.click("a[href^='/signin/keycloak']")
    page.fill("[name=name]", "newcomer")
    page.click("form button")
    reads(page, "Signed in as newcomer")
    sign_out(page)
