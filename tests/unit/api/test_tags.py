"""Tags by hand: moved, ended, protected, deleted and brought back."""

import time
from datetime import timedelta

import pytest
from sqlalchemy import select

from models.tables import LogEntry
from registry.collection.terms import Terms
from registry.gc import collect
from registry.manifests import fetch_manifest
from registry.names import Digest, RepositoryName
from tests.factories.api import Api
from tests.factories.pusher import Pusher, age
from tests.factories.world import make_world

TAG = "/repository/acme/app/tag/v1"
ABSENT = f"sha256:{'0' * 64}"


@pytest.fixture
def pusher(api: Api) -> Pusher:
    with api.database.write() as session:
        callers = make_world(session)
    return Pusher(api.services, callers["writer"])


def history(api: Api, name: str = "v1") -> list[tuple[str, bool, bool]]:
    """What the tag named, newest first: the digest, whether it was brought back, whether it has ended."""
    tags = api.get("/repository/acme/app/tag/", query_string={"specificTag": name}, by="writer").body["tags"]
    return [(tag["manifest_digest"], tag["reversion"], "end_ts" in tag) for tag in tags]


def kinds(api: Api) -> list[str]:
    with api.database.read() as session:
        return [kind for kind in session.scalars(select(LogEntry.kind).order_by(LogEntry.id)) if "tag" in kind]


def test_a_tag_is_made_and_moved(api: Api, pusher: Pusher) -> None:
    one, two = pusher.image(None, b"one"), pusher.image(None, b"two")
    for digest in (one, one, two):
        answer = api.put(TAG, {"manifest_digest": digest}, by="writer")
        assert (answer.status, answer.body) == (201, "Updated")
    assert history(api) == [(two, False, False), (one, False, True)]
    assert kinds(api) == ["create_tag", "move_tag"]


def test_nothing_is_changed_by_an_empty_change(api: Api, pusher: Pusher) -> None:
    assert api.put(TAG, {}, by="writer").status == 201
    assert history(api) == []


@pytest.mark.parametrize("digest", [ABSENT, "garbage", "", "sha256:" + "x" * 64])
def test_a_tag_names_only_what_is_there(api: Api, pusher: Pusher, digest: str) -> None:
    assert api.put(TAG, {"manifest_digest": digest}, by="writer").status == 404
    assert api.post(f"{TAG}/restore", {"manifest_digest": digest}, by="writer").status == 404


def test_names_that_are_no_tags_are_refused(api: Api, pusher: Pusher) -> None:
    digest = pusher.image(None, b"one")
    for name in ("-x", "x" * 129, "a b", "ü"):
        answer = api.put(f"/repository/acme/app/tag/{name}", {"manifest_digest": digest}, by="writer")
        assert answer.status == 400, name
        assert answer.body["detail"].startswith("tag: ")


def test_a_tag_ends_when_it_is_told_to_and_lives_on_when_not(api: Api, pusher: Pusher) -> None:
    pusher.image("v1", b"one")
    end = int(time.time()) + 3600
    assert api.put(TAG, {"expiration": end}, by="writer").status == 201
    (tag,) = api.get("/repository/acme/app/tag/", by="writer").body["tags"]
    assert tag["end_ts"] == end
    assert api.put(TAG, {"expiration": None}, by="writer").status == 201
    (tag,) = api.get("/repository/acme/app/tag/", by="writer").body["tags"]
    assert "end_ts" not in tag
    assert kinds(api)[1:] == ["change_tag_expiration"] * 2


@pytest.mark.parametrize("moment", [1000, "soon", -1, 1e12, True])
def test_an_end_that_cannot_be_is_refused(api: Api, pusher: Pusher, moment: object) -> None:
    pusher.image("v1", b"one")
    answer = api.put(TAG, {"expiration": moment}, by="writer")
    assert answer.status == 400
    assert answer.body["detail"].startswith("expiration: ")
    assert kinds(api) == ["create_tag"]


def test_a_tag_that_is_not_there_has_no_end(api: Api, pusher: Pusher) -> None:
    assert api.put(TAG, {"expiration": int(time.time()) + 60}, by="writer").status == 404
    assert api.put(TAG, {"immutable": True}, by="writer").status == 404
    assert api.delete(TAG, by="writer").status == 404


def test_a_refused_part_leaves_the_whole_undone(api: Api, pusher: Pusher) -> None:
    digest = pusher.image(None, b"one")
    assert api.put(TAG, {"manifest_digest": digest, "expiration": 1000}, by="writer").status == 400
    assert history(api) == []


def test_an_immutable_tag_stays_as_it_is(api: Api, pusher: Pusher) -> None:
    digest, other = pusher.image("v1", b"one"), pusher.image(None, b"two")
    assert api.put(TAG, {"immutable": True}, by="writer").status == 201
    assert api.get("/repository/acme/app/tag/", by="writer").body["tags"][0]["immutable"] is True
    for refused in (
        api.put(TAG, {"manifest_digest": other}, by="owner"),
        api.put(TAG, {"expiration": int(time.time()) + 60}, by="owner"),
        api.post(f"{TAG}/restore", {"manifest_digest": other}, by="owner"),
        api.delete(TAG, by="owner"),
    ):
        assert (refused.status, refused.body["error_type"]) == (409, "tag_immutable")
    assert api.put(TAG, {"manifest_digest": digest, "immutable": True}, by="writer").status == 201
    assert api.put(TAG, {"immutable": False}, by="writer").status == 403
    assert api.put(TAG, {"immutable": False}, by="repo-admin").status == 201
    assert api.delete(TAG, by="writer").status == 204
    assert kinds(api) == ["create_tag", *["change_tag_immutability"] * 2, "delete_tag"]


def test_a_tag_that_expires_does_not_become_immutable(api: Api, pusher: Pusher) -> None:
    pusher.image("v1", b"one")
    assert api.put(TAG, {"expiration": int(time.time()) + 60}, by="writer").status == 201
    assert api.put(TAG, {"immutable": True}, by="writer").body["detail"].startswith("immutable: ")


def test_what_a_tag_named_is_brought_back(api: Api, pusher: Pusher) -> None:
    one, two = pusher.image("v1", b"one"), pusher.image("v1", b"two")
    assert api.delete(TAG, by="writer").status == 204
    answer = api.post(f"{TAG}/restore", {"manifest_digest": one}, by="writer")
    assert (answer.status, answer.body) == (200, {})
    assert history(api) == [(one, True, False), (two, False, True), (one, False, True)]
    assert kinds(api)[-1] == "revert_tag"
    pusher.pull("v1")


def test_a_deleted_index_comes_back_with_all_its_images(api: Api, pusher: Pusher) -> None:
    child = pusher.image(None, b"amd64")
    inner = pusher.index(None, child)
    top = pusher.index("v1", inner)
    for digest in (top, inner, child):
        pusher.remove(digest)
    assert not pusher.has(child)
    age(api.services, timedelta(days=2))
    collect(api.services.database, api.services.storage, Terms(rest_s=0))
    assert api.put(TAG, {"manifest_digest": top}, by="writer").status == 404
    assert api.post(f"{TAG}/restore", {"manifest_digest": top}, by="writer").status == 200
    pusher.pull("v1")
    with api.database.read() as session:
        for digest in (top, inner, child):
            assert fetch_manifest(session, RepositoryName.parse("acme/app"), Digest.parse(digest)).digest == digest


def test_what_was_collected_does_not_come_back(api: Api, pusher: Pusher) -> None:
    digest = pusher.image("v1", b"one")
    assert api.delete(TAG, by="writer").status == 204
    age(api.services, timedelta(days=20))
    collect(api.services.database, api.services.storage, Terms(rest_s=0))
    answer = api.post(f"{TAG}/restore", {"manifest_digest": digest}, by="writer")
    assert (answer.status, answer.body["detail"]) == (404, f"The repository has no manifest {digest}, or no longer")


def test_what_is_brought_back_is_not_collected(api: Api, pusher: Pusher) -> None:
    digest = pusher.image("v1", b"one")
    pusher.remove(digest)
    age(api.services, timedelta(days=2))
    assert api.post(f"{TAG}/restore", {"manifest_digest": digest}, by="writer").status == 200
    age(api.services, timedelta(days=40))
    collect(api.services.database, api.services.storage, Terms(rest_s=0))
    pusher.pull("v1")


def test_readers_change_nothing(api: Api, pusher: Pusher) -> None:
    digest = pusher.image("v1", b"one")
    for answer in (
        api.put(TAG, {"manifest_digest": digest}, by="reader"),
        api.post(f"{TAG}/restore", {"manifest_digest": digest}, by="reader"),
        api.delete(TAG, by="reader"),
    ):
        assert answer.status == 403
