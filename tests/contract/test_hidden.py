"""What one may not see answers as what does not exist does: every operation, and whatever is named elsewhere."""

from typing import Any

import pytest

from api import v1
from api.endpoint import url_parameters
from tests.factories.api import Answered, Api
from tests.unit.api.test_access_matrix import VALUES, fill

ABSENT = {
    "client_id": "NOSUCHAPPLICATION",
    "name": "nosuchorg",
    "namespace": "nosuchorg",
    "orgname": "nosuchorg",
    "repository": "nosuchorg/none",
    "teamname": "nosuchteam",
}
"""What does not exist, by URL parameter. Of all these, VALUES has something that exists."""
ABSENT_FOR_MEMBERS = {"repository": "acme/none", "teamname": "nosuchteam"}
OF_OTHERS = {**VALUES, "teamname": "creators"}
SHOWN = {"getOrganization", "getApplicationInformation"}
"""Anybody may see that an organization exists, as in Quay, and whoever is asked for consent who it is that asks."""
OPERATIONS = [(verb, url, op) for section in v1.SECTIONS for verb, url, op in section.operations]


def told(answer: Answered) -> tuple[int, Any, Any, Any]:
    headers = answer.headers
    return answer.status, answer.body, headers.get("WWW-Authenticate"), headers.get("Location")


@pytest.mark.parametrize("by", ["stranger", None])
def test_what_is_hidden_is_as_what_is_absent(api: Api, by: str | None) -> None:
    compared, revealing = 0, set()
    for verb, url, op in OPERATIONS:
        for name in url_parameters(url) & ABSENT.keys():
            there, absent = (
                api.call(verb.upper(), fill(url, values), by=by) for values in (VALUES, {**VALUES, name: ABSENT[name]})
            )
            compared += 1
            if told(there) != told(absent):
                revealing.add(op.name)
    assert revealing == SHOWN
    assert compared > 150


def test_members_know_no_more_of_the_rest_of_their_organization(api: Api) -> None:
    for verb, url, op in OPERATIONS:
        for name in url_parameters(url) & ABSENT_FOR_MEMBERS.keys():
            absent = {**OF_OTHERS, name: ABSENT_FOR_MEMBERS[name]}
            there, not_there = (api.call(verb.upper(), fill(url, at), by="member") for at in (OF_OTHERS, absent))
            assert told(there) == told(not_there), op.name


BUILD = {"archive_url": "https://example.com/a.tar", "pull_robot": "{}"}
TARGET = {"target": {"kind": "team", "name": "{}"}}
TOLD = {"event": "repo_push", "method": "quay_notification", "eventConfig": {}, "title": "t", "config": TARGET}
PROTOTYPE = {"role": "read", "delegate": {"kind": "user", "name": "{}"}}
ROLE = {"role": "read"}
NAMED: list[tuple[str, str, Any, str, str]] = [
    ("POST", "/repository", {"namespace": "{}", "repository": "x"}, "acme", "nosuchorg"),
    ("POST", "/repository", {"namespace": "acme", "repository": "{}"}, "app", "nosuchrepo"),
    ("POST", "/user/starred", {"namespace": "acme", "repository": "{}"}, "app", "nosuchrepo"),
    ("POST", "/user/starred", {"namespace": "{}", "repository": "app"}, "acme", "nosuchorg"),
    ("GET", "/repository?namespace={}", None, "acme", "nosuchorg"),
    ("GET", "/find/repositories?query={}", None, "app", "nosuchrepo"),
    ("GET", "/find/all?query={}", None, "app", "nosuchrepo"),
    ("GET", "/entities/{}?include_teams=true&namespace=acme", None, "acme+r", "nosuchorg+r"),
    ("PUT", "/repository/stranger/mine/permissions/user/{}", ROLE, "acme+robot", "acme+nobody"),
    ("PUT", "/repository/stranger/mine/permissions/user/{}", ROLE, "acme+robot", "nosuchorg+robot"),
    ("GET", "/repository/stranger/mine/permissions/user/{}/transitive", None, "acme+robot", "acme+nobody"),
    ("PUT", "/repository/stranger/mine/permissions/team/{}", ROLE, "members", "nosuchteam"),
    ("PUT", "/organization/own/team/owners/members/{}", None, "acme+robot", "acme+nobody"),
    ("PUT", "/organization/own/permissions/{}", ROLE, "acme", "nosuchorg"),
    ("POST", "/organization/own/prototypes", PROTOTYPE, "acme+robot", "acme+nobody"),
    ("POST", "/repository/stranger/mine/build/", BUILD, "acme+robot", "acme+nobody"),
    ("POST", "/repository/stranger/mine/build/", BUILD, "acme+robot", "nosuchorg+robot"),
    ("POST", "/repository/stranger/mine/notification/", TOLD, "members", "nosuchteam"),
    ("GET", "/user/logs?repository={}", None, "app", "nosuchrepo"),
]
"""A call that names something in path, query or body, which is `{}`; what is hidden there, and what is absent."""


@pytest.mark.parametrize("call", NAMED, ids=[f"{method} {path} {absent}" for method, path, _, _, absent in NAMED])
def test_what_is_named_elsewhere_is_not_revealed_either(api: Api, call: tuple[str, str, Any, str, str]) -> None:
    method, path, body, *names = call
    api.post("/repository", {"repository": "mine"}, by="stranger")
    api.post("/organization/", {"name": "own"}, by="stranger")
    told = set()
    for name in names:
        where = path.replace("{}", name.replace("+", "%2B"))
        answer = api.call(method, where, json=_filled(body, name), by="stranger")
        told.add((answer.status, answer.text.replace(name, "…")))
    assert len(told) == 1, told


def _filled(body: Any, name: str) -> Any:
    if isinstance(body, dict):
        return {key: _filled(value, name) for key, value in body.items()}
    return name if body == "{}" else body


def test_a_hidden_repository_counts_nowhere(api: Api) -> None:
    for path in ("/repository?public=true", "/repository?namespace=acme&public=true", "/find/repositories?query=a"):
        assert "app" not in [each["name"] for each in _listed(api.get(path, by="stranger").body)], path
    assert "acme/app" not in api.get("/find/all?query=app", by="stranger").text
    shown = api.get("/organization/acme", by="stranger").body
    assert "teams" not in shown


def _listed(body: Any) -> Any:
    return body.get("repositories", body.get("results"))
