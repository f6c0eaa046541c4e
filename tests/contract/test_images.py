"""Images by the ids they had before there were manifests, and what is known of them."""

import json
import re
from typing import Any

import pytest
from sqlalchemy import update

from api.v1.images import DEEPEST
from models.images import image_id
from models.tables import Manifest
from registry.manifest_format import OCI_INDEX, OCI_MANIFEST
from tests.contract.exchanges import PROBLEM, Exchange, play
from tests.factories.api import Api
from tests.factories.pusher import Pusher

REPOSITORY = "/repository/acme/app"
IMAGE = {"id", "created", "comment", "command", "size", "uploading", "sort_index", "ancestors"}
HISTORY = [
    {"created": "2026-01-02T03:04:05Z", "created_by": "ADD base", "comment": "the base"},
    {"created_by": "ENV X=1", "empty_layer": True},
    {"created_by": "RUN make"},
]
DATE = re.compile(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d -0000")


@pytest.fixture
def digest(pusher: Pusher) -> str:
    """An image of two layers in three steps, as `v1` and `latest`."""
    config = json.dumps({"history": HISTORY}).encode()
    pusher.image("v1", b"base", b"made", config=config)
    return pusher.image("latest", b"base", b"made", config=config)


def test_images_are_listed_with_their_tags(api: Api, pusher: Pusher, digest: str) -> None:
    other = pusher.image("v2", b"base", b"other")
    pusher.image("gone", b"gone")
    pusher.untag("gone")
    pusher.index("index", digest)
    answer = api.get(f"{REPOSITORY}/image/", by="reader")
    assert answer.status == 200
    first, second = answer.body["images"]
    assert first.keys() == second.keys() == IMAGE | {"tags"}
    assert (first["id"], first["tags"], first["size"]) == (digest.partition(":")[2], ["latest", "v1"], 8)
    assert (second["id"], second["tags"]) == (other.partition(":")[2], ["v2"])
    assert DATE.fullmatch(first["created"])
    told = (first["comment"], first["command"], first["ancestors"], first["sort_index"], first["uploading"])
    assert told == ("", "", "", 0, False)
    assert api.get("/repository/acme/public/image/").body == {"images": []}
    for path in ("image/", f"image/{digest.partition(':')[2]}", "tag/v1/images", "tag/v1/images?owned=true"):
        assert api.get(f"{REPOSITORY}/{path}", by="reader").headers["Deprecation"] == "true"


def test_a_manifest_tells_its_image(api: Api, pusher: Pusher, digest: str) -> None:
    image = api.get(f"{REPOSITORY}/manifest/{digest}", by="reader").body["image"]
    assert image.keys() == IMAGE
    assert (image["id"], image["size"]) == (digest.partition(":")[2], 8)
    index = pusher.index("index", digest)
    assert api.get(f"{REPOSITORY}/manifest/{index}", by="reader").body["image"] is None


def test_an_image_is_shown_with_those_below_it(api: Api, digest: str) -> None:
    top, middle, base = (image_id(digest, below) for below in range(3))
    answer = api.get(f"{REPOSITORY}/image/{top}", by="reader")
    assert (answer.status, answer.body.keys()) == (200, IMAGE | {"history"})
    shown = [answer.body, *answer.body["history"]]
    assert [image["id"] for image in shown] == [top, middle, base]
    assert [image["command"] for image in shown] == ["RUN make", "ENV X=1", "ADD base"]
    assert [image["ancestors"] for image in shown] == [f"/{base}/{middle}/", f"/{base}/", ""]
    assert [image["sort_index"] for image in shown] == [2, 1, 0]
    assert shown[2]["created"] == "Fri, 02 Jan 2026 03:04:05 -0000"
    assert shown[2]["comment"] == "the base"
    assert (shown[0]["size"], shown[2]["size"]) == (8 + 32, 4)  # an empty step counts as its layer would
    below = api.get(f"{REPOSITORY}/image/{middle}", by="reader").body
    assert (below["id"], [image["id"] for image in below["history"]]) == (middle, [base])


def test_an_id_that_no_image_has_is_not_found(api: Api, pusher: Pusher, digest: str) -> None:
    index = pusher.index("index", digest)
    for id_ in ("0" * 64, "abc", image_id(digest).upper(), image_id(index)):
        for path in (f"{REPOSITORY}/image/{id_}", f"{REPOSITORY}/image/{id_}/security"):
            assert api.get(path, by="reader").status == 404
    assert api.get(f"{REPOSITORY}/image/{image_id(digest, 3)}", by="reader").status == 404


def test_images_of_other_repositories_are_not_found(api: Api, digest: str) -> None:
    assert api.get(f"/repository/acme/public/image/{image_id(digest)}", by="owner").status == 404


def test_a_tag_names_a_stack_of_images(api: Api, digest: str) -> None:
    answer = api.get(f"{REPOSITORY}/tag/v1/images", by="reader")
    assert answer.status == 200
    assert [image["id"] for image in answer.body["images"]] == [image_id(digest, below) for below in range(3)]
    assert all(image.keys() == IMAGE for image in answer.body["images"])
    assert api.get(f"{REPOSITORY}/tag/v1/images?owned=true", by="reader").body == {"images": []}
    api.delete(f"{REPOSITORY}/tag/latest", by="writer")
    assert len(api.get(f"{REPOSITORY}/tag/v1/images?owned=true", by="reader").body["images"]) == 3


def test_the_images_of_an_index_are_those_for_the_commonest_machine(api: Api, pusher: Pusher, digest: str) -> None:
    def child(of: str, architecture: str) -> dict[str, Any]:
        platform = {"os": "linux", "architecture": architecture}
        return {"mediaType": OCI_MANIFEST, "digest": of, "size": 1, "platform": platform}

    arm = pusher.image("arm", b"arm")
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child(arm, "arm64"), child(digest, "amd64")]}
    pusher.manifest("multi", document)
    pusher.index("none", arm)
    images = api.get(f"{REPOSITORY}/tag/multi/images", by="reader").body["images"]
    assert (len(images), images[0]["id"]) == (3, image_id(digest))
    assert api.get(f"{REPOSITORY}/tag/none/images", by="reader").body == {"images": []}


@pytest.mark.parametrize("layers", [0, DEEPEST + 1])
def test_without_layers_or_with_absurdly_many_the_whole_is_one_image(api: Api, pusher: Pusher, layers: int) -> None:
    digest = pusher.image("odd", *[b"x"] * layers)
    images = api.get(f"{REPOSITORY}/tag/odd/images", by="reader").body["images"]
    assert [(image["id"], image["size"]) for image in images] == [(image_id(digest), layers)]


def test_a_longer_digest_gives_an_id_as_well(api: Api, digest: str) -> None:
    longer = "sha512:" + "0123456789abcdef" * 8
    with api.database.write() as session:
        session.execute(update(Manifest).values(digest=longer))
    assert api.get(f"{REPOSITORY}/image/{image_id(longer)}", by="reader").body["id"] == longer[7:71]
    assert api.get(f"{REPOSITORY}/image/", by="reader").body["images"][0]["id"] == longer[7:71]


def test_tags_tell_their_images_and_are_set_by_them(api: Api, pusher: Pusher, digest: str) -> None:
    (tag,) = api.get(f"{REPOSITORY}/tag/?specificTag=v1", by="reader").body["tags"]
    assert tag["docker_image_id"] == tag["image_id"] == image_id(digest)
    assert api.get(REPOSITORY, by="reader").body["tags"]["v1"]["image_id"] == image_id(digest)
    index = pusher.index("index", digest)
    (tag,) = api.get(f"{REPOSITORY}/tag/?specificTag=index", by="reader").body["tags"]
    assert (tag["manifest_digest"], "image_id" in tag) == (index, False)
    assert api.put(f"{REPOSITORY}/tag/new", {"image": image_id(digest)}, by="writer").status == 201
    assert api.put(f"{REPOSITORY}/tag/new", {"image": image_id(digest, 1)}, by="writer").status == 404
    pusher.remove(index)
    pusher.remove(digest)
    assert api.put(f"{REPOSITORY}/tag/new", {"image": image_id(digest)}, by="writer").status == 404
    assert api.post(f"{REPOSITORY}/tag/new/restore", {"image": image_id(digest)}, by="writer").body == {}
    (tag,) = api.get(f"{REPOSITORY}/tag/?specificTag=new&onlyActiveTags=true", by="reader").body["tags"]
    assert (tag["manifest_digest"], tag["reversion"]) == (digest, True)
    assert api.post(f"{REPOSITORY}/tag/new/restore", {"image": "0" * 64}, by="writer").status == 404


def test_nothing_has_been_scanned(api: Api, pusher: Pusher, digest: str) -> None:
    queued = {"status": "queued", "data": None}
    index = pusher.index("index", digest)
    for path in (f"manifest/{digest}", f"manifest/{index}", f"image/{image_id(digest)}"):
        for query in ("", "?vulnerabilities=true"):
            answer = api.get(f"{REPOSITORY}/{path}/security{query}", by="reader")
            assert (answer.status, answer.body) == (200, queued)
    with api.database.write() as session:
        session.execute(update(Manifest).values(config_media_type="application/vnd.cncf.helm.config.v1+json"))
    assert api.get(f"{REPOSITORY}/manifest/{digest}/security", by="reader").body["status"] == "unsupported"


E = Exchange
NOTHING = f"sha256:{'0' * 64}"


def test_exchanges(api: Api) -> None:
    play(
        api,
        [
            E("GET", "/repository/acme/none/image/", 404, PROBLEM),
            E("GET", "/repository/nosuchns/none/image/", 403, PROBLEM),
            E("GET", f"{REPOSITORY}/image/", 401, PROBLEM, by=None),
            E("GET", f"{REPOSITORY}/image/", 403, PROBLEM, by="stranger"),
            E("GET", f"{REPOSITORY}/image", 308),
            E("GET", f"/repository/acme/none/image/{'0' * 64}", 404, PROBLEM),
            E("GET", f"{REPOSITORY}/tag/nosuch/images", 404, PROBLEM),
            E("GET", "/repository/acme/none/tag/latest/images", 404, PROBLEM),
            E("GET", f"{REPOSITORY}/manifest/{NOTHING}/security", 404, PROBLEM),
            E("GET", f"{REPOSITORY}/manifest/garbage/security", 404, PROBLEM),
            E("GET", f"/repository/acme/none/manifest/{NOTHING}/security", 404, PROBLEM),
            E("GET", f"/repository/acme/none/image/{'0' * 64}/security", 404, PROBLEM),
            E("GET", f"{REPOSITORY}/signatures", 404, PROBLEM),
            E("GET", "/repository/acme/none/signatures", 404, PROBLEM),
            E("POST", f"{REPOSITORY}/changetrust", 415, PROBLEM),
            E("POST", f"{REPOSITORY}/changetrust", 400, PROBLEM, {}),
            E("POST", f"{REPOSITORY}/changetrust", 400, PROBLEM, {"trust_enabled": "yes"}),
            E("POST", f"{REPOSITORY}/changetrust", 403, PROBLEM, {"trust_enabled": True}, by="writer"),
            E("POST", "/repository/acme/none/changetrust", 404, PROBLEM, {"trust_enabled": True}),
            E("POST", f"{REPOSITORY}/changetrust", 200, {"success"}, {"trust_enabled": True}),
            E("GET", f"{REPOSITORY}/signatures", 200, {"delegations"}, by="reader"),
            E("POST", f"{REPOSITORY}/changetrust", 200, {"success"}, {"trust_enabled": False}),
            E("GET", f"{REPOSITORY}/signatures", 404, PROBLEM),
            E("PUT", f"{REPOSITORY}/changestate", 415, PROBLEM),
            E("PUT", f"{REPOSITORY}/changestate", 400, PROBLEM, {}),
            E("PUT", f"{REPOSITORY}/changestate", 400, PROBLEM, {"state": "MARKED_FOR_DELETION"}),
            E("PUT", f"{REPOSITORY}/changestate", 403, PROBLEM, {"state": "READ_ONLY"}, by="writer"),
            E("PUT", "/repository/acme/none/changestate", 404, PROBLEM, {"state": "READ_ONLY"}),
        ],
    )
    trust = api.logged("change_repo_trust")
    assert [(who, detail["trust_enabled"]) for _, who, detail in trust] == [("owner", True), ("owner", False)]
    assert trust[0][2].keys() == {"namespace", "repo", "trust_enabled"}


def test_everybody_may_ask_what_the_registry_can_do(api: Api) -> None:
    answer = api.get("/registry/capabilities")
    assert (answer.status, answer.body) == (
        200,
        {
            "sparse_manifests": {
                "supported": False,
                "required_architectures": [],
                "optional_architectures_allowed": False,
            },
            "mirror_architectures": [],
        },
    )


@pytest.mark.parametrize("state", ["READ_ONLY", "MIRROR"])
def test_a_repository_that_takes_no_changes_refuses_each_of_them(
    api: Api, digest: str, pusher: Pusher, state: str
) -> None:
    label = {"key": "a", "value": "b", "media_type": None}
    changes: list[tuple[str, str, Any]] = [
        ("PUT", "tag/v1", {"manifest_digest": digest}),
        ("PUT", "tag/v1", {"immutable": True}),
        ("DELETE", "tag/v1", None),
        ("POST", "tag/v1/restore", {"manifest_digest": digest}),
        ("POST", f"manifest/{digest}/labels", label),
        ("DELETE", f"manifest/{digest}/labels/x", None),
        ("POST", "build/", {"archive_url": "https://archives.example/x.tar"}),
    ]
    answer = api.put(f"{REPOSITORY}/changestate", {"state": state}, by="owner")
    assert (answer.status, answer.body) == (200, {"success": True})
    assert api.get(REPOSITORY, by="reader").body["state"] == state
    assert [api.call(verb, f"{REPOSITORY}/{path}", json=body, by="owner").status for verb, path, body in changes] == [
        503
    ] * len(changes)
    (entry,) = api.logged("change_repo_state")
    assert entry[1:] == ("owner", {"namespace": "acme", "repo": "app", "state_changed": state})
    assert api.put(REPOSITORY, {"description": "told all the same"}, by="owner").status == 200
    assert api.put(f"{REPOSITORY}/changestate", {"state": "NORMAL"}, by="owner").status == 200
    assert api.delete(f"{REPOSITORY}/tag/v1", by="writer").status == 204
