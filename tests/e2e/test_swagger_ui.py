"""The API's own page in a real browser: it loads without a complaint, takes a token and calls an operation with it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV2SpecValidator

from tests.e2e.clients.browser import Page, browser
from tests.e2e.clients.people import Person
from tests.e2e.clients.rest import Rest
from tests.services.drydock import Drydock

OPERATION = "[id^='operations-'][id$='-getLoggedInUser']"
ANSWER = f"{OPERATION} .live-responses-table .response"


@pytest.fixture
def page(drydock: Drydock, tmp_path: Path) -> Iterator[Page]:
    """The page, loaded."""
    with browser(tmp_path) as opened:
        opened.open(f"{drydock.url}/api/v1/")
        opened.wait("document.querySelector('.opblock-tag') !== null")
        yield opened


def test_the_description_is_valid_swagger(drydock: Drydock) -> None:
    OpenAPIV2SpecValidator(Rest(drydock.url).get("/discovery")).validate()


@pytest.mark.parametrize("prefix", ["", "Bearer "])
def test_a_pasted_token_is_used_for_a_call(page: Page, alice: Person, prefix: str) -> None:
    page.click("button.authorize")
    page.fill(".auth-container input", f"{prefix}{alice.token}")
    page.click(".auth-container button.authorize")
    page.click(".auth-container .btn-done")

    assert _try_out(page) == "200", page.text()

    body = page.run(f"document.querySelector({f'{ANSWER} .microlight'!r}).innerText")
    assert f'"username": "{alice.name}"' in body
    assert page.complaints == []


def test_without_a_token_the_page_shows_the_refusal(page: Page) -> None:
    assert _try_out(page) == "401", page.text()


def _try_out(page: Page) -> str:
    """Call the operation through the page; the status that it shows."""
    if page.run(f"document.querySelector({OPERATION!r}) === null"):
        page.click(".opblock-tag[data-tag='user']")
    page.click(f"{OPERATION} .opblock-summary-control")
    page.click(f"{OPERATION} .try-out__btn")
    page.click(f"{OPERATION} .execute")
    shown: str = page.wait(f"document.querySelector({f'{ANSWER} .response-col_status'!r})?.innerText")
    return shown.split(maxsplit=1)[0]
