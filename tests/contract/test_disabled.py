"""Who is disabled, or gone, is not let in by anything that was made before."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from models.authentication import identify_basic
from models.errors import Unauthenticated
from models.federation import find_rule, issue_robot_token
from registry.refresh import open_credentials, seal_credentials
from tests.factories.accounts import ALL_SCOPES
from tests.factories.api import Api
from tests.factories.browser import PASSWORD, Browser, make_person
from tests.factories.triggers import CONFIG, PAYLOAD, deliver, write_token

REPOSITORY = "/repository/ann/app"


@pytest.fixture
def hers(api: Api) -> Api:
    """The company, and ann with a repository of her own."""
    make_person(api.database, "ann")
    api.post("/repository", {"repository": "app", "visibility": "private", "description": ""}, by="ann")
    return api


def app_token(api: Api) -> tuple[str, str]:
    return "$app", api.post("/user/apptoken", {"title": "laptop"}, by="ann").body["token"]["token_code"]


def repository_token(api: Api) -> tuple[str, str]:
    return "$token", api.post(f"{REPOSITORY}/tokens/", {"friendlyName": "ci"}, by="ann").body["code"]


def access_token(api: Api) -> tuple[str, str]:
    return "$oauthtoken", api.token("ann", ALL_SCOPES)


def robot(api: Api) -> tuple[str, str]:
    return "ann+bot", api.put("/user/robots/bot", {}, by="ann").body["token"]


def federated_robot(api: Api) -> tuple[str, str]:
    robot(api)
    rules = [{"issuer": "https://ci.example.com", "subject": "main"}]
    assert api.post("/user/robots/bot/federation", rules, by="ann").status == 200
    with api.database.write() as session:
        rule = find_rule(session, "ann+bot", "https://ci.example.com", "main")
        assert rule
        return "ann+bot", issue_robot_token(session, rule, actor=api.services.superusers.identify(rule.robot))


def password(api: Api) -> tuple[str, str]:
    return "ann", PASSWORD


def client_key(api: Api) -> tuple[str, str]:
    browser = Browser(api.app)
    browser.sign_in("ann")
    return "ann", browser.call("POST", "/user/clientkey", {"password": PASSWORD}).json["key"]  # type: ignore[index]


KINDS: list[Callable[[Api], tuple[str, str]]] = [
    *(app_token, repository_token, access_token, robot, federated_robot, password, client_key),
]


def who_enters(api: Api, given: tuple[str, str]) -> str | None:
    """Whom the credentials are, directly and in a refresh token alike."""
    vault = api.database.vault
    found = []
    for username, secret in (given, open_credentials(vault, seal_credentials(vault, *given))):
        try:
            found.append(identify_basic(api.database, api.services.superusers, username, secret).name)
        except Unauthenticated:
            found.append(None)
    assert found[0] == found[1]
    return found[0]


@pytest.mark.parametrize("end", [("PUT", {"enabled": False}), ("DELETE", None)], ids=["disabled", "removed"])
@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_nothing_lets_in_for_a_user_who_is_disabled_or_gone(
    hers: Api, make: Callable[[Api], tuple[str, str]], end: tuple[str, Any]
) -> None:
    given = make(hers)
    assert who_enters(hers, given)
    assert hers.call(end[0], "/superuser/users/ann", json=end[1], by="root").status in {200, 204}
    assert who_enters(hers, given) is None


@pytest.mark.parametrize("make", ["robots", "tokens"])
def test_nothing_lets_in_for_an_organization_that_is_gone(api: Api, make: str) -> None:
    if make == "robots":
        given = "acme+fresh", api.put("/organization/acme/robots/fresh", {}, by="owner").body["token"]
    else:
        given = "$token", api.post("/repository/acme/app/tokens/", {"friendlyName": "ci"}, by="owner").body["code"]
    assert who_enters(api, given)
    assert api.delete("/organization/acme", by="owner").status == 204
    assert who_enters(api, given) is None


def test_sessions_and_access_tokens_of_a_disabled_user_open_no_operation(hers: Api, app: Flask) -> None:
    browser = Browser(app)
    browser.sign_in("ann")
    assert browser.call("GET", "/user/").status_code == hers.get("/user/", by="ann").status == 200
    hers.put("/superuser/users/ann", {"enabled": False}, by="root")
    assert browser.call("GET", "/user/").status_code == hers.get("/user/", by="ann").status == 401


def test_pushes_to_git_start_nothing_for_a_disabled_user(hers: Api) -> None:
    triggers = f"{REPOSITORY}/trigger/"
    made = hers.post(triggers, {"service": "custom-git", "config": {}}, by="ann").body["id"]
    trigger = hers.post(f"{triggers}{made}/activate", {"config": CONFIG}, by="ann").body
    token = write_token(trigger)
    assert deliver(hers, trigger, PAYLOAD, token=token).status == 200
    hers.put("/superuser/users/ann", {"enabled": False}, by="root")
    answer = deliver(hers, trigger, PAYLOAD, token=token)
    assert (answer.status, "disabled" in answer.body["detail"]) == (400, True)
    hers.put("/superuser/users/ann", {"enabled": True}, by="root")
    assert len(hers.get(f"{REPOSITORY}/build/", by="ann").body["builds"]) == 1
