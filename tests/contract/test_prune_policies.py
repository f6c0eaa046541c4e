"""Auto-prune policies of organizations, users and repositories: what Quay's operations answer."""

from typing import Any

import pytest

from models.prune_policies import MOST
from tests.contract.exchanges import PROBLEM, Exchange, play
from tests.factories.api import Answered, Api

PLACES = (
    "/organization/acme/autoprunepolicy/",
    "/user/autoprunepolicy/",
    "/repository/acme/app/autoprunepolicy/",
)
NEWEST = {"method": "number_of_tags", "value": 10}
AGE = {"method": "creation_date", "value": "7d", "tagPattern": "^pr-", "tagPatternMatches": False}
E = Exchange


@pytest.fixture(params=PLACES, ids=["organization", "user", "repository"])
def at(request: pytest.FixtureRequest) -> str:
    place: str = request.param
    return place


def create(api: Api, at: str, body: dict[str, Any] = NEWEST) -> Answered:
    return api.post(at, body, by="owner")


def test_a_policy_is_made_shown_changed_and_deleted(api: Api, at: str) -> None:
    assert api.get(at, by="owner").body == {"policies": []}
    made = create(api, at)
    assert (made.status, made.body.keys()) == (201, {"uuid"})
    uuid = made.body["uuid"]
    shown = {"uuid": uuid, **NEWEST, "tagPattern": None, "tagPatternMatches": True}
    assert api.get(at, by="owner").body == {"policies": [shown]}
    assert api.get(at + uuid, by="owner").body == shown
    changed = api.put(at + uuid, AGE, by="owner")
    assert (changed.status, changed.text) == (204, "")
    assert api.get(at + uuid, by="owner").body == {"uuid": uuid, **AGE}
    gone = api.delete(at + uuid, by="owner")
    assert (gone.status, gone.body) == (200, {"uuid": uuid})
    for answer in (
        api.get(at + uuid, by="owner"),
        api.put(at + uuid, AGE, by="owner"),
        api.delete(at + uuid, by="owner"),
    ):
        assert answer.status == 404


def test_every_change_is_on_record(api: Api, at: str) -> None:
    uuid = create(api, at).body["uuid"]
    api.put(at + uuid, AGE, by="owner")
    api.delete(at + uuid, by="owner")
    what = "repository" if at.startswith("/repository") else "namespace"
    names = {"namespace": "owner"} if at.startswith("/user") else {"namespace": "acme"}
    told = {**names, "policy_uuid": uuid} | ({"repo": "app"} if what == "repository" else {})
    kinds = [f"{verb}_{what}_autoprune_policy" for verb in ("create", "update", "delete")]
    newest = {**NEWEST, "tag_pattern": None, "tag_pattern_matches": True}
    age = {"method": "creation_date", "value": "7d", "tag_pattern": "^pr-", "tag_pattern_matches": False}
    assert api.logged(*kinds) == [
        (kinds[0], "owner", {**told, **newest}),
        (kinds[1], "owner", {**told, **age}),
        (kinds[2], "owner", told),
    ]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"method": "number_of_tags"},
        {"value": 5},
        {"method": "perhaps", "value": 5},
        {"method": "number_of_tags", "value": 0},
        {"method": "number_of_tags", "value": -1},
        {"method": "number_of_tags", "value": "5"},
        {"method": "number_of_tags", "value": True},
        {"method": "number_of_tags", "value": 1 << 40},
        {"method": "creation_date", "value": 5},
        {"method": "creation_date", "value": "0d"},
        {"method": "creation_date", "value": "soon"},
        {"method": "creation_date", "value": ""},
        {**NEWEST, "tagPattern": ""},
        {**NEWEST, "tagPattern": " "},
        {**NEWEST, "tagPattern": "("},
        {**NEWEST, "tagPattern": "x" * 257},
        {**NEWEST, "tagPatternMatches": "yes"},
        {**NEWEST, "other": 1},
    ],
)
def test_what_is_no_policy_is_refused(api: Api, at: str, body: dict[str, Any]) -> None:
    assert create(api, at, body).status == 400
    uuid = create(api, at).body["uuid"]
    assert api.put(at + uuid, body, by="owner").status == 400
    assert api.get(at + uuid, by="owner").body["value"] == 10


def test_several_policies_count_but_none_twice(api: Api, at: str) -> None:
    uuid = create(api, at).body["uuid"]
    assert create(api, at).status == 400
    other = create(api, at, AGE).body["uuid"]
    assert api.put(at + other, NEWEST, by="owner").status == 400
    assert api.put(at + uuid, NEWEST, by="owner").status == 204
    assert [policy["uuid"] for policy in api.get(at, by="owner").body["policies"]] == [uuid, other]
    for elsewhere in PLACES:
        if elsewhere != at:
            assert api.get(elsewhere + uuid, by="owner").status == 404
            assert create(api, elsewhere).status == 201


def test_there_is_a_most(api: Api) -> None:
    at = PLACES[0]
    assert {create(api, at, NEWEST | {"value": number + 1}).status for number in range(MOST)} == {201}
    assert create(api, at, AGE).status == 400


def test_only_administrators_see_and_set_policies(api: Api) -> None:
    for at in (PLACES[0], PLACES[2]):
        uuid = create(api, at).body["uuid"]
        play(
            api,
            [
                E("GET", at, 401, PROBLEM, by=None),
                *(E("GET", at, 403, PROBLEM, by=who) for who in ("stranger", "reader", "writer", "member")),
                E("POST", at, 403, PROBLEM, AGE, by="writer"),
                E("POST", at, 415, PROBLEM),
                E("GET", at + uuid, 403, PROBLEM, by="writer"),
                E("PUT", at + uuid, 403, PROBLEM, AGE, by="writer"),
                E("DELETE", at + uuid, 403, PROBLEM, by="writer"),
            ],
        )
    uuid = create(api, PLACES[1]).body["uuid"]
    play(
        api,
        [
            E("GET", PLACES[1] + uuid, 404, PROBLEM, by="stranger"),
            E("DELETE", PLACES[1] + uuid, 404, PROBLEM, by="stranger"),
            E("GET", PLACES[1], 401, PROBLEM, by=None),
            E("GET", "/organization/nosuchorg/autoprunepolicy/", 403, PROBLEM),
            E("GET", "/repository/acme/none/autoprunepolicy/", 404, PROBLEM),
            E("GET", "/user/autoprunepolicy", 308),
        ],
    )
