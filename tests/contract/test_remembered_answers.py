"""Long lists of who may do what are remembered, and never told when they are not true any more."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from models.remembered import Remembered
from tests.factories.answers import counted
from tests.factories.api import Answered, Api

ACME = "/organization/acme"
APP = "/repository/acme/app"
LISTS = {
    "collaborators": f"{ACME}/collaborators",
    "members": f"{ACME}/members",
    "robots": f"{ACME}/robots?permissions=true",
    "team": f"{ACME}/team/members/permissions",
}
CHANGES: dict[str, tuple[str, str, Any, set[str]]] = {
    "a permission is given": ("PUT", f"{APP}/permissions/user/stranger", {"role": "read"}, {"collaborators"}),
    "a permission is taken": ("DELETE", f"{APP}/permissions/user/reader", None, {"collaborators"}),
    "a member gets a permission": ("PUT", f"{APP}/permissions/user/member", {"role": "read"}, {"members"}),
    "a team may do more": ("PUT", f"{APP}/permissions/team/members", {"role": "write"}, {"team"}),
    "a team's permission is taken": ("DELETE", f"{APP}/permissions/team/members", None, {"team"}),
    "a robot gets a permission": ("PUT", f"{APP}/permissions/user/acme+idle-robot", {"role": "read"}, {"robots"}),
    "a robot loses its permission": ("DELETE", f"{APP}/permissions/user/acme+robot", None, {"robots"}),
    "a robot joins a team": ("PUT", f"{ACME}/team/members/members/acme+robot", None, {"robots"}),
    "a robot goes": ("DELETE", f"{ACME}/robots/robot", None, {"robots"}),
    "a robot comes": ("PUT", f"{ACME}/robots/new", {"description": "new"}, {"robots"}),
    "a collaborator joins a team": (
        *("PUT", f"{ACME}/team/members/members/reader", None),
        {"collaborators", "members"},
    ),
    "a member leaves a team": ("DELETE", f"{ACME}/team/members/members/member", None, {"members"}),
    "a member is removed": ("DELETE", f"{ACME}/members/member", None, {"members"}),
    "a team goes": ("DELETE", f"{ACME}/team/creators", None, {"members"}),
    "a repository is shown to all": ("POST", f"{APP}/changevisibility", {"visibility": "public"}, {"team"}),
    "a repository goes": ("DELETE", APP, None, set(LISTS)),
    "an address changes": ("PUT", "/superuser/users/reader", {"email": "new@example.com"}, {"collaborators"}),
    "a user goes": ("DELETE", "/superuser/users/reader", None, {"collaborators"}),
}


@pytest.fixture
def acme(api: Api) -> Api:
    """Its team of members may read acme/app."""
    api.put(f"{APP}/permissions/team/members", {"role": "read"}, by="owner")
    return api


@contextmanager
def another_process(api: Api) -> Iterator[None]:
    """The same installation, in a process that remembers nothing yet."""
    api.app.extensions["drydock"] = replace(api.services, remembered=Remembered())
    try:
        yield
    finally:
        api.app.extensions["drydock"] = api.services


def lists(api: Api) -> dict[str, Answered]:
    found = {name: api.get(path, by="owner") for name, path in LISTS.items()}
    assert {answer.status for answer in found.values()} <= {200, 404}
    return found


def bodies(api: Api) -> dict[str, Any]:
    return {name: answer.body for name, answer in lists(api).items()}


@pytest.mark.parametrize("change", CHANGES)
def test_what_has_changed_is_told_at_once(acme: Api, change: str) -> None:
    verb, path, body, expected = CHANGES[change]
    before = bodies(acme)
    assert bodies(acme) == before
    answer = acme.call(verb, path, json=body, by="root" if "superuser" in path else "owner")
    assert answer.status < 300, answer.text

    after = bodies(acme)

    assert {name for name in LISTS if after[name] != before[name]} == expected
    with another_process(acme):
        assert bodies(acme) == after


def test_what_changes_behind_the_programs_back_is_noticed(acme: Api) -> None:
    bodies(acme)
    with acme.database.write() as session:
        session.execute(text("DELETE FROM permission"))

    after = bodies(acme)

    assert after["collaborators"] == {"collaborators": []}
    assert after["team"] == {"permissions": []}
    assert {robot["name"]: robot["repositories"] for robot in after["robots"]["robots"]} == {
        "acme+idle-robot": [],
        "acme+robot": [],
    }


def test_a_change_in_another_organization_costs_nothing(acme: Api) -> None:
    acme.post("/organization/", {"name": "other"}, by="reader")
    acme.get(LISTS["collaborators"], by="owner")
    acme.put("/organization/other/team/owners/members/stranger", by="reader")

    with counted(acme) as again:
        acme.get(LISTS["collaborators"], by="owner")

    assert not [statement for statement in again if "FROM permission" in statement]


@pytest.mark.parametrize("name", ["collaborators", "members", "team"])
def test_who_may_not_see_a_list_does_not_get_what_is_remembered_of_it(acme: Api, name: str) -> None:
    bodies(acme)

    assert acme.get(LISTS[name], by="member").status == 403
    assert acme.get(LISTS[name], by="owner", scopes="repo:admin").status == 403
    assert acme.get(LISTS[name]).status == 401


def test_of_robots_members_are_told_the_names_alone(acme: Api) -> None:
    bodies(acme)

    (robot, _) = acme.get(LISTS["robots"], by="member").body["robots"]

    assert robot.keys() == {"name", "created", "last_accessed", "description"}


def test_tokens_of_robots_are_not_remembered(acme: Api) -> None:
    before = acme.get(LISTS["robots"], by="owner").body["robots"]
    acme.post(f"{ACME}/robots/robot/regenerate", by="owner")

    after = acme.get(LISTS["robots"], by="owner").body["robots"]

    assert [one["token"] != other["token"] for one, other in zip(before, after, strict=True)] == [True, False]
    assert [robot["repositories"] for robot in after] == [["app"], []]
    shown = {"name", "created", "last_accessed", "description", "token", "teams", "repositories"}
    assert [robot.keys() for robot in after] == [shown, shown]
