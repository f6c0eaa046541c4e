"""Policies that make tags immutable: of organizations, for all their repositories, and of repositories."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, update

from models.errors import TagImmutable
from models.immutability_policies import AT_A_TIME, MOST, SECOND_ROUND, mark_due
from models.tables import ImmutabilityPolicy, Repository, Tag, User
from models.tables.base import now
from tests.contract.exchanges import PROBLEM, Exchange, play
from tests.factories.accounts import identity_of
from tests.factories.api import Answered, Api
from tests.factories.pusher import Pusher

PLACES = ("/organization/acme/immutabilitypolicy/", "/repository/acme/app/immutabilitypolicy/")
VIEW = {"uuid", "tagPattern", "tagPatternMatches"}
RELEASE = r"v[0-9]+\.[0-9]+$"
E = Exchange


@pytest.fixture(params=PLACES, ids=["organization", "repository"])
def at(request: pytest.FixtureRequest) -> str:
    place: str = request.param
    return place


def create(api: Api, at: str, pattern: str = RELEASE, **rest: Any) -> Answered:
    return api.post(at, {"tagPattern": pattern, **rest}, by="owner")


def fixed(api: Api) -> dict[str, bool]:
    """Whether each living tag of acme/app is immutable."""
    tags = api.get("/repository/acme/app/tag/?onlyActiveTags=true", by="owner").body["tags"]
    return {tag["name"]: tag.get("immutable", False) for tag in tags}


def names(at: str) -> dict[str, str]:
    return {"namespace": "acme"} | ({"repo": "app"} if at.startswith("/repository") else {})


def test_a_policy_is_made_shown_changed_and_deleted(api: Api, at: str) -> None:
    assert api.get(at, by="owner").body == {"policies": []}
    made = create(api, at, f" {RELEASE} ")
    assert (made.status, made.body.keys()) == (201, {"uuid"})
    uuid = made.body["uuid"]
    shown = {"uuid": uuid, "tagPattern": RELEASE, "tagPatternMatches": True}
    assert api.get(at, by="owner").body == {"policies": [shown]}
    assert api.get(at + uuid, by="owner").body == shown
    changed = api.put(at + uuid, {"tagPattern": "x", "tagPatternMatches": False}, by="owner")
    assert (changed.status, changed.text) == (204, "")
    assert api.get(at + uuid, by="owner").body == {"uuid": uuid, "tagPattern": "x", "tagPatternMatches": False}
    gone = api.delete(at + uuid, by="owner")
    assert (gone.status, gone.body) == (200, {"uuid": uuid})
    body = {"tagPattern": "x"}
    for answer in (
        api.get(at + uuid, by="owner"),
        api.put(at + uuid, body, by="owner"),
        api.delete(at + uuid, by="owner"),
    ):
        assert answer.status == 404
    told = {**names(at), "policy_uuid": uuid}
    kinds = [f"{verb}_immutability_policy" for verb in ("create", "update", "delete")]
    assert api.logged(*kinds) == [
        (kinds[0], "owner", {**told, "tag_pattern": RELEASE, "tag_pattern_matches": True}),
        (kinds[1], "owner", {**told, "tag_pattern": "x", "tag_pattern_matches": False}),
        (kinds[2], "owner", told),
    ]


def test_what_is_pushed_under_a_policy_is_immutable_at_once(api: Api, pusher: Pusher, at: str) -> None:
    create(api, at)
    pusher.image("v1.0", b"one")
    pusher.image("latest", b"one")
    assert fixed(api) == {"v1.0": True, "latest": False}
    with pytest.raises(TagImmutable):
        pusher.image("v1.0", b"two")
    digest = pusher.image("latest", b"two")
    assert api.put("/repository/acme/app/tag/v1.0", {"manifest_digest": digest}, by="owner").status == 409
    assert api.delete("/repository/acme/app/tag/v1.0", by="owner").status == 409
    assert api.put("/repository/acme/app/tag/v2.0", {"manifest_digest": digest}, by="owner").status == 201
    assert fixed(api)["v2.0"]
    told = api.logged("tag_made_immutable_by_policy")
    assert [(who, detail["tag"]) for _, who, detail in told] == [("writer", "v1.0"), ("owner", "v2.0")]


def test_tags_from_before_a_policy_become_immutable_and_stay_so(api: Api, pusher: Pusher, at: str) -> None:
    for name in ("v1.0", "latest", "v2.0"):
        pusher.image(name, b"one")
    soon = int(time.time()) + 3600
    api.put("/repository/acme/app/tag/v2.0", {"expiration": soon}, by="owner")
    uuid = create(api, at).body["uuid"]
    assert fixed(api) == {"v1.0": True, "latest": False, "v2.0": True}
    tags = api.get("/repository/acme/app/tag/", by="owner").body["tags"]
    assert not [tag for tag in tags if "expiration" in tag]  # nothing may change it, time neither
    (entry,) = api.logged("tags_made_immutable_by_policy")
    told = {"policy_uuid": uuid, "tag_pattern": RELEASE, "tag_pattern_matches": True, "count": 2}
    assert entry[1:] == ("owner", {"namespace": "acme", "repo": "app", **told})
    api.put(at + uuid, {"tagPattern": RELEASE, "tagPatternMatches": False}, by="owner")
    assert all(fixed(api).values())
    api.delete(at + uuid, by="owner")
    assert all(fixed(api).values())
    pusher.image("v9.9", b"one")
    assert not fixed(api)["v9.9"]


def test_an_administrator_makes_a_single_tag_mutable_again(api: Api, pusher: Pusher, at: str) -> None:
    create(api, at)
    pusher.image("v1.0", b"one")
    tag = "/repository/acme/app/tag/v1.0"
    assert api.put(tag, {"immutable": False}, by="writer").status == 403
    assert api.put(tag, {"immutable": False}, by="owner").status == 201
    pusher.image("v1.0", b"two")
    assert fixed(api) == {"v1.0": True}  # what it means now, the policy protects again


def test_a_policy_of_a_repository_counts_there_alone(api: Api, pusher: Pusher) -> None:
    create(api, PLACES[1])
    with api.database.read() as session:
        assert session.scalars(select(Repository.name).where(Repository.fixes_tags)).all() == ["app"]
    other = Pusher(pusher.services, pusher.actor, "writer/own")
    other.image("v1.0", b"one")
    with api.database.read() as session:
        assert not session.scalars(select(Tag.immutable)).one()


def test_a_label_that_lets_tags_expire_does_not_outdo_a_policy(api: Api, pusher: Pusher, at: str) -> None:
    create(api, at)
    pusher.image("v1.0", b"one", config=b'{"config": {"Labels": {"quay.expires-after": "1h"}}}')
    with api.database.read() as session:
        tag = session.scalars(select(Tag)).one()
        assert (tag.immutable, tag.expires_ms) == (True, None)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"tagPattern": ""},
        {"tagPattern": "  "},
        {"tagPattern": "("},
        {"tagPattern": "x" * 257},
        {"tagPattern": 5},
        {"tagPattern": "x", "tagPatternMatches": "yes"},
        {"tagPattern": "x", "method": "other"},
    ],
)
def test_what_is_no_policy_is_refused(api: Api, at: str, body: dict[str, Any]) -> None:
    assert api.post(at, body, by="owner").status == 400
    uuid = create(api, at).body["uuid"]
    assert api.put(at + uuid, body, by="owner").status == 400
    assert api.get(at + uuid, by="owner").body["tagPattern"] == RELEASE


def test_the_same_pattern_twice_is_refused(api: Api, at: str) -> None:
    uuid = create(api, at).body["uuid"]
    assert create(api, at, tagPatternMatches=False).status == 400
    other = create(api, at, "other").body["uuid"]
    assert api.put(at + other, {"tagPattern": RELEASE}, by="owner").status == 400
    assert api.put(at + uuid, {"tagPattern": RELEASE}, by="owner").status == 204
    assert len(api.get(at, by="owner").body["policies"]) == 2
    elsewhere = next(place for place in PLACES if place != at)
    assert create(api, elsewhere).status == 201
    assert api.get(elsewhere + uuid, by="owner").status == 404


def test_there_are_never_so_many_that_pushes_are_slow(api: Api, at: str) -> None:
    assert {create(api, at, f"v{number}").status for number in range(MOST)} == {201}
    assert create(api, at, "another").status == 400


def test_only_administrators_see_and_set_policies(api: Api, at: str) -> None:
    uuid = create(api, at).body["uuid"]
    body = {"tagPattern": "x"}
    play(
        api,
        [
            E("GET", at, 401, PROBLEM, by=None),
            *(E("GET", at, 403, PROBLEM, by=who) for who in ("stranger", "reader", "writer", "member")),
            E("POST", at, 403, PROBLEM, body, by="writer"),
            E("POST", at, 415, PROBLEM),
            E("GET", at + uuid, 403, PROBLEM, by="writer"),
            E("PUT", at + uuid, 403, PROBLEM, body, by="writer"),
            E("DELETE", at + uuid, 403, PROBLEM, by="writer"),
            E("GET", "/organization/nosuchorg/immutabilitypolicy/", 403, PROBLEM),
            E("GET", "/repository/acme/none/immutabilitypolicy/", 404, PROBLEM),
            E("GET", at.rstrip("/"), 308),
        ],
    )


@pytest.fixture
def later(api: Api) -> Callable[[], None]:
    """Lets the time until the second round of every policy pass."""

    def pass_time() -> None:
        with api.database.write() as session:
            past = now() - SECOND_ROUND
            session.execute(update(ImmutabilityPolicy).values(changed_at=past, due_at=past + SECOND_ROUND))

    return pass_time


def test_a_large_namespace_is_gone_through_by_the_scheduler(api: Api, later: Callable[[], None]) -> None:
    with api.database.write() as session:
        acme = session.scalars(select(Repository).where(Repository.name == "app")).one().namespace_id
        session.add_all(Repository(namespace_id=acme, name=f"r{n:03}", is_public=False) for n in range(AT_A_TIME))
    with api.database.read() as session:
        owner = session.scalars(select(User).where(User.name == "owner")).one()
    Pusher(api.services, identity_of(owner), f"acme/r{AT_A_TIME - 1:03}").image("v1.0", b"one")
    create(api, PLACES[0])
    assert not immutable(api)
    assert api.database.apply(mark_due)
    assert immutable(api) == {"v1.0"}
    assert api.database.apply(mark_due) is False  # the second round is due later
    later()
    with api.database.write() as session:
        session.execute(update(Tag).values(immutable=False))  # as if a push had not seen the policy
    assert [api.database.apply(mark_due) for _ in range(3)] == [True, True, False]
    assert immutable(api) == {"v1.0"}
    assert api.logged("tags_made_immutable_by_policy")[-1][1] is None


def immutable(api: Api) -> set[str]:
    with api.database.read() as session:
        return set(session.scalars(select(Tag.name).where(Tag.immutable)))


def test_where_there_is_no_policy_a_push_does_not_ask_for_any(
    api: Api, pusher: Pusher, at: str, statements: list[str]
) -> None:
    pusher.image("v1.0", b"one")
    assert not [statement for statement in statements if "immutability_policy" in statement]
    uuid = create(api, at).body["uuid"]
    statements.clear()
    pusher.image("v2.0", b"two")
    assert len([statement for statement in statements if "immutability_policy" in statement]) == 1
    api.delete(at + uuid, by="owner")
    statements.clear()
    pusher.image("v3.0", b"three")
    assert not [statement for statement in statements if "immutability_policy" in statement]
