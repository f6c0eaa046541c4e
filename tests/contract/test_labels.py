"""Labels of manifests: what the image says of itself, and what people attach to it."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import insert, select

from models.labels import MOST_LABELS
from models.tables import Manifest, ManifestLabel
from storage.driver import StorageError
from storage.memory import MemoryStorage
from tests.factories.api import Answered, Api, make_app
from tests.factories.pusher import CONFIG, LAYER, Pusher

LABEL = {"id", "key", "value", "source_type", "media_type"}
NEW = {"key": "team", "value": "golden", "media_type": "text/plain"}
IMAGE_LABELS = {"version": "1", "maintainer": "golden", "": "nothing", "build": '{"a": 1}', "quay.expires-after": "52w"}


@pytest.fixture
def path(pusher: Pusher) -> str:
    """Where the labels of an image are that has some itself."""
    digest = pusher.image("latest", b"layer", config=json.dumps({"config": {"Labels": IMAGE_LABELS}}).encode())
    return f"/repository/acme/app/manifest/{digest}/labels"


@pytest.fixture
def add(api: Api, path: str) -> Callable[..., Answered]:
    def add(by: str = "writer", **change: Any) -> Answered:
        return api.post(path, NEW | change, by=by)

    return add


def test_an_images_own_labels_are_those_of_its_config_by_key(api: Api, path: str) -> None:
    answer = api.get(path, by="reader")
    assert answer.status == 200
    shown = [(label["key"], label["value"], label["media_type"]) for label in answer.body["labels"]]
    assert shown == [
        ("build", '{"a": 1}', "application/json"),
        ("maintainer", "golden", "text/plain"),
        ("quay.expires-after", "52w", "text/plain"),
        ("version", "1", "text/plain"),
    ]
    assert all(label["source_type"] == "manifest" and label.keys() == LABEL for label in answer.body["labels"])
    assert api.get(path, by="reader").body == answer.body  # ids stay
    first = answer.body["labels"][0]
    assert api.get(f"{path}/{first['id']}", by="reader").body == first


def test_annotations_are_labels_and_weigh_more(api: Api, pusher: Pusher) -> None:
    config = json.dumps({"config": {"Labels": {"a": "config", "b": "half \ud800"}}}).encode()
    document = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": CONFIG, "digest": pusher.blob(config), "size": len(config)},
        "layers": [{"mediaType": LAYER, "digest": pusher.blob(b"x"), "size": 1}],
        "annotations": {"a": "annotation"},
    }
    digest = pusher.manifest("v1", document)
    labels = api.get(f"/repository/acme/app/manifest/{digest}/labels", by="reader").body["labels"]
    assert [(label["key"], label["value"]) for label in labels] == [("a", "annotation"), ("b", "half ?")]


def test_an_installation_reserves_keys_of_its_own(api: Api, path: str) -> None:
    settings = api.services.settings.model_copy(update={"LABEL_KEY_RESERVED_PREFIXES": ("team",)})
    reserving = Api(make_app(replace(api.services, settings=settings)))
    assert reserving.post(path, NEW, by="writer").body["detail"] == "Label has a reserved prefix"
    assert reserving.post(path, NEW | {"key": "other"}, by="writer").status == 201


def test_a_filter_is_the_beginning_of_keys(api: Api, path: str, add: Callable[..., Answered]) -> None:
    add(key="main.x")
    found = api.get(f"{path}?filter=mai", by="reader").body["labels"]
    assert [label["key"] for label in found] == ["maintainer", "main.x"]
    assert api.get(f"{path}?filter=nothing", by="reader").body == {"labels": []}


def test_a_label_is_attached_shown_and_deleted(api: Api, path: str, add: Callable[..., Answered]) -> None:
    answer = add()
    label = answer.body["label"]
    assert (answer.status, label.keys()) == (201, LABEL)
    assert {key: label[key] for key in NEW} == NEW
    assert label["source_type"] == "api"
    assert answer.headers["Location"] == f"/api/v1{path}/{label['id']}"
    assert api.get(f"{path}/{label['id']}", by="reader").body == label
    assert api.get(path, by="reader").body["labels"][-1] == label
    gone = api.delete(f"{path}/{label['id']}", by="writer")
    assert (gone.status, gone.text) == (204, "")
    assert api.delete(f"{path}/{label['id']}", by="writer").status == 404
    assert api.get(f"{path}/{label['id']}", by="reader").status == 404
    told = {"namespace": "acme", "repo": "app", "id": label["id"], "key": "team", "value": "golden"}
    added, deleted = api.logged("manifest_label_add", "manifest_label_delete")
    digest = path.split("/")[-2]
    assert added[1:] == ("writer", {**told, "manifest_digest": digest, "media_type": "text/plain"})
    assert deleted[1:] == ("writer", {**told, "manifest_digest": digest})


@pytest.mark.parametrize(
    ("value", "media_type", "shown"),
    [
        ("x", None, "text/plain"),
        ('{"a":1}', None, "application/json"),
        ("[1, 2", None, "text/plain"),
        ("{notjson}", None, "text/plain"),
        ("{notjson", "application/json", "application/json"),
    ],
)
def test_a_media_type_that_is_not_given_is_what_the_value_looks_like(
    add: Callable[..., Answered], value: str, media_type: str | None, shown: str
) -> None:
    answer = add(value=value, media_type=media_type)
    assert (answer.status, answer.body["label"]["media_type"]) == (201, shown)


@pytest.mark.parametrize(
    "change",
    [
        {"key": "-bad-"},
        {"key": ""},
        {"key": "a..b"},
        {"key": "Upper"},
        {"key": "x" * 256},
        {"key": "io.quay.x"},
        {"key": "quay.expires-after", "value": "1h"},
        {"value": "x" * 65_537},
        {"media_type": "image/png"},
        {"value": 5},
        {"unknown": 1},
    ],
)
def test_what_is_no_label_is_refused(api: Api, path: str, add: Callable[..., Answered], change: dict[str, Any]) -> None:
    assert add(**change).status == 400
    assert not api.logged("manifest_label_add")


def test_every_field_is_needed_but_may_be_null_where_it_says_so(api: Api, path: str) -> None:
    for body in ({}, {"key": "x", "value": "y"}):
        assert api.post(path, body, by="writer").status == 400
    assert api.post(path, by="writer").status == 415


def test_an_images_own_label_cannot_be_deleted(api: Api, path: str) -> None:
    own = api.get(path, by="reader").body["labels"][0]
    assert api.delete(f"{path}/{own['id']}", by="writer").status == 400
    assert own in api.get(path, by="reader").body["labels"]


def test_what_is_not_there_is_not_found(api: Api, path: str) -> None:
    nothing = "00000000-0000-0000-0000-000000000000"
    assert api.get(f"{path}/{nothing}", by="reader").status == 404
    assert api.delete(f"{path}/{nothing}", by="writer").status == 404
    for elsewhere in (path.replace(path.split("/")[-2], f"sha256:{'0' * 64}"), path.replace("sha256:", "x")):
        assert api.get(elsewhere, by="reader").status == 404
        assert api.post(elsewhere, NEW, by="writer").status == 404
        assert api.get(f"{elsewhere}/{nothing}", by="reader").status == 404
        assert api.delete(f"{elsewhere}/{nothing}", by="writer").status == 404


def test_a_label_belongs_to_one_manifest(api: Api, pusher: Pusher, path: str, add: Callable[..., Answered]) -> None:
    id_ = add().body["label"]["id"]
    other = f"/repository/acme/app/manifest/{pusher.image('other', b'other')}/labels/{id_}"
    assert api.get(other, by="reader").status == 404
    assert api.delete(other, by="writer").status == 404


def test_readers_and_strangers_change_nothing(api: Api, path: str, add: Callable[..., Answered]) -> None:
    id_ = add().body["label"]["id"]
    for who in ("reader", "stranger"):
        assert add(by=who).status == 403
        assert api.delete(f"{path}/{id_}", by=who).status == 403
    assert api.get(path, by="stranger").status == 403
    assert api.get(path).status == 401


def test_the_labels_of_an_immutable_tag_are_as_fixed(api: Api, path: str, add: Callable[..., Answered]) -> None:
    id_ = add().body["label"]["id"]
    assert api.put("/repository/acme/app/tag/latest", {"immutable": True}, by="writer").status == 201
    assert add(key="other").status == 409
    assert api.delete(f"{path}/{id_}", by="writer").status == 409


def test_a_manifest_takes_no_more_labels_than_that(api: Api, path: str, add: Callable[..., Answered]) -> None:
    with api.database.write() as session:
        manifest_id = session.scalars(select(Manifest.id)).one()
        row = {"manifest_id": manifest_id, "key": "x", "value": "", "media_type": "text/plain"}
        session.execute(insert(ManifestLabel), [row] * (MOST_LABELS - 1))
    assert [add().status for _ in range(2)] == [201, 400]


class Unreadable(MemoryStorage):
    """A store that does not answer."""

    def read(self, path: str) -> bytes:
        raise StorageError("no answer")


def test_a_store_that_does_not_answer_is_told_apart(api: Api, path: str) -> None:
    broken = Api(make_app(replace(api.services, storage=Unreadable())))
    assert broken.get(path, by="reader").status == 503
