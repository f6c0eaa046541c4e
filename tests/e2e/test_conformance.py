"""What the specification's conformance suite asks, in its four workflows: pull, push, discovery and management.

The end-points are named as in the specification, version 1.1. Where it allows several answers, the one that this
registry promises is asked for.
"""

import hashlib
import json
import os
from contextlib import closing
from typing import Any, NamedTuple

import pytest

from tests.e2e.clients.http import KeptAlive, Reply
from tests.e2e.clients.people import Person
from tests.e2e.clients.registry import OCI_INDEX, OCI_MANIFEST, Registry, config_of, digest_of, manifest_of
from tests.services.drydock import Drydock

EMPTY = b"{}"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
ABSENT = f"sha256:{'0' * 64}"
OCTETS = {"Content-Type": "application/octet-stream"}


class Pushed(NamedTuple):
    """An image in a repository of its own, tagged `v1`."""

    registry: Registry
    repository: str
    manifest: str
    config: bytes
    layer: bytes

    def call(self, method: str, path: str, **rest: Any) -> Reply:
        return self.registry.call(method, self.repository, path, **rest)


@pytest.fixture
def pushed(alice: Person, repository: str) -> Pushed:
    layer = os.urandom(10_000)
    config = config_of("amd64", layer)
    for content in (config, layer):
        alice.registry.put_blob(repository, content)
    digest = alice.registry.put_manifest(repository, "v1", manifest_of(config, layer))
    return Pushed(alice.registry, repository, digest, config, layer)


def refused(reply: Reply, status: int, code: str) -> None:
    """The reply has this status and the specification's error body with this code."""
    reply.expect(status)
    assert reply.headers.get_content_type() == "application/json"
    assert [error["code"] for error in reply.json["errors"]] == [code]


def artifact(subject: str | None, kind: str, **annotations: str) -> bytes:
    """A manifest that is no image: its config is empty, its one layer, too."""
    empty = {"mediaType": EMPTY_TYPE, "digest": digest_of(EMPTY), "size": len(EMPTY)}
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": kind,
        "config": empty,
        "layers": [empty],
        "annotations": annotations,
    }
    if subject is not None:
        document["subject"] = {"mediaType": OCI_MANIFEST, "digest": subject, "size": 1}
    return json.dumps(document).encode()


# Pull: end-1, end-2, end-3


def test_blobs_are_pulled_and_looked_at(pushed: Pushed) -> None:
    digest = digest_of(pushed.layer)
    head = pushed.call("HEAD", f"blobs/{digest}", follow=True).expect(200)
    assert (head.headers["Content-Length"], head.body) == ("10000", b"")
    assert pushed.call("GET", f"blobs/{digest}", follow=True).expect(200).body == pushed.layer


@pytest.mark.parametrize("reference", ["tag", "digest"])
def test_manifests_are_pulled_and_looked_at(pushed: Pushed, reference: str) -> None:
    path = f"manifests/{'v1' if reference == 'tag' else pushed.manifest}"
    head, get = pushed.call("HEAD", path).expect(200), pushed.call("GET", path).expect(200)
    assert head.body == b""
    assert digest_of(get.body) == pushed.manifest
    for reply in (head, get):
        assert reply.headers["Docker-Content-Digest"] == pushed.manifest
        assert reply.headers["Content-Type"] == OCI_MANIFEST
        assert reply.headers["Content-Length"] == str(len(get.body))
    again = pushed.call("GET", path, headers={"If-None-Match": get.headers["ETag"]}).expect(304)
    assert again.body == b""


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_is_not_there_is_not_found(pushed: Pushed, method: str) -> None:
    for path, code in (
        (f"blobs/{ABSENT}", "BLOB_UNKNOWN"),
        (f"manifests/{ABSENT}", "MANIFEST_UNKNOWN"),
        ("manifests/none", "MANIFEST_UNKNOWN"),
        ("manifests/.INVALID_MANIFEST_NAME", "MANIFEST_UNKNOWN"),
    ):
        reply = pushed.call(method, path).expect(404)
        if method == "GET":
            refused(reply, 404, code)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("blobs/sha256:abc", "DIGEST_INVALID"),
        ("blobs/sha999:abc", "DIGEST_INVALID"),
        ("manifests/sha256:totallywrong", "DIGEST_INVALID"),
        ("referrers/nothing", "DIGEST_INVALID"),
    ],
)
def test_what_cannot_be_is_a_bad_request(pushed: Pushed, path: str, code: str) -> None:
    refused(pushed.call("GET", path), 400, code)


# Push: end-4 to end-7, end-11, end-13


def test_a_blob_comes_in_one_request(pushed: Pushed) -> None:
    content = os.urandom(1000)
    done = pushed.call("POST", f"blobs/uploads/?digest={digest_of(content)}", headers=OCTETS, body=content).expect(201)
    assert pushed.call("GET", pushed.registry.location(done), follow=True).expect(200).body == content


def test_a_blob_comes_in_a_post_and_a_put(pushed: Pushed) -> None:
    content = os.urandom(1000)
    begun = pushed.call("POST", "blobs/uploads/", body=b"").expect(202)
    closing = pushed.registry.finishing(pushed.registry.location(begun), digest_of(content))
    done = pushed.call("PUT", closing, headers=OCTETS, body=content).expect(201)
    assert done.headers["Docker-Content-Digest"] == digest_of(content)
    assert pushed.call("GET", pushed.registry.location(done), follow=True).expect(200).body == content


def test_a_blob_comes_in_chunks_in_their_order_only(pushed: Pushed) -> None:
    first, second = os.urandom(1000), os.urandom(500)
    location = pushed.registry.start_upload(pushed.repository)
    early = {**OCTETS, "Content-Range": "1000-1499"}
    assert pushed.call("PATCH", location, headers=early, body=second).expect(416).headers["Location"]
    begun = pushed.call("PATCH", location, headers={**OCTETS, "Content-Range": "0-999"}, body=first).expect(202)
    assert begun.headers["Range"] == "0-999"
    location = pushed.registry.location(begun)
    again = pushed.call("PATCH", location, headers={**OCTETS, "Content-Range": "0-999"}, body=first).expect(416)
    assert again.headers["Range"] == "0-999"
    status = pushed.call("GET", location).expect(204)
    assert status.headers["Range"] == "0-999"
    closing = pushed.registry.finishing(pushed.registry.location(status), digest_of(first + second))
    pushed.call("PUT", closing, headers={**OCTETS, "Content-Range": "1000-1499"}, body=second).expect(201)
    assert pushed.registry.get_blob(pushed.repository, digest_of(first + second)) == first + second


@pytest.mark.parametrize("kept_alive", [False, True])
def test_an_upload_tells_how_large_its_chunks_should_be_where_that_matters(
    pushed: Pushed, drydock: Drydock, kept_alive: bool
) -> None:
    with closing(KeptAlive()) as connection:
        registry = pushed.registry.on(connection) if kept_alive else pushed.registry
        for _ in range(2):  # the second one on a connection takes a shorter way
            begun = registry.call("POST", pushed.repository, "blobs/uploads/", body=b"").expect(202)
    least = str(5 * 2**20) if drydock.name == "production" else None
    assert begun.headers["OCI-Chunk-Min-Length"] == least


def test_a_blob_of_nothing_is_one(pushed: Pushed) -> None:
    digest = digest_of(b"")
    pushed.call("POST", f"blobs/uploads/?digest={digest}", headers=OCTETS, body=b"").expect(201)
    assert pushed.call("GET", f"blobs/{digest}", follow=True).expect(200).body == b""


def test_a_cancelled_upload_is_unknown(pushed: Pushed) -> None:
    location = pushed.registry.start_upload(pushed.repository)
    pushed.call("DELETE", location).expect(204)
    refused(pushed.call("GET", location), 404, "BLOB_UPLOAD_UNKNOWN")


@pytest.mark.parametrize("source", ["named", "anywhere"])
def test_a_blob_is_mounted_from_another_repository(pushed: Pushed, source: str) -> None:
    digest, other = digest_of(pushed.layer), f"{pushed.repository}-other"
    origin = f"&from={pushed.repository}" if source == "named" else ""
    path = f"blobs/uploads/?mount={digest}{origin}"
    done = pushed.registry.call("POST", other, path, body=b"", also=pushed.repository).expect(201)
    assert done.headers["Docker-Content-Digest"] == digest
    assert pushed.registry.get_blob(other, digest) == pushed.layer


def test_a_mount_of_what_is_not_there_becomes_an_upload(pushed: Pushed) -> None:
    reply = pushed.call("POST", f"blobs/uploads/?mount={ABSENT}&from={pushed.repository}", body=b"").expect(202)
    assert reply.headers["Location"]


def test_other_algorithms_are_digests_too(pushed: Pushed) -> None:
    content = os.urandom(1000)
    digest = f"sha512:{hashlib.sha512(content).hexdigest()}"
    closing = pushed.registry.finishing(pushed.registry.start_upload(pushed.repository), digest)
    done = pushed.call("PUT", closing, headers=OCTETS, body=content).expect(201)
    assert done.headers["Docker-Content-Digest"] == digest
    assert pushed.call("GET", f"blobs/{digest}", follow=True).expect(200).body == content
    manifest = artifact(None, "example/sha512")
    pushed.registry.put_blob(pushed.repository, EMPTY)
    digest = f"sha512:{hashlib.sha512(manifest).hexdigest()}"
    put = pushed.call("PUT", f"manifests/{digest}", headers={"Content-Type": OCI_MANIFEST}, body=manifest).expect(201)
    assert put.headers["Docker-Content-Digest"] == digest
    assert pushed.call("GET", f"manifests/{digest}").expect(200).body == manifest


def test_a_manifest_needs_no_layers(pushed: Pushed) -> None:
    digest = pushed.registry.put_manifest(pushed.repository, "bare", manifest_of(pushed.config))
    assert pushed.registry.get_manifest(pushed.repository, digest)["layers"] == []


def test_a_manifest_needs_all_that_it_names(pushed: Pushed) -> None:
    missing = manifest_of(pushed.config, os.urandom(10))
    headers = {"Content-Type": OCI_MANIFEST}
    refused(pushed.call("PUT", "manifests/bad", headers=headers, body=missing), 400, "MANIFEST_BLOB_UNKNOWN")
    refused(pushed.call("GET", "manifests/bad"), 404, "MANIFEST_UNKNOWN")


def test_layers_that_are_not_distributed_need_not_be_here(pushed: Pushed) -> None:
    manifest = json.loads(manifest_of(pushed.config))
    kind, url = "application/vnd.oci.image.layer.nondistributable.v1.tar", "https://example.com/layer"
    manifest["layers"] = [{"mediaType": kind, "digest": ABSENT, "size": 9, "urls": [url]}]
    digest = pushed.registry.put_manifest(pushed.repository, "foreign", json.dumps(manifest).encode())
    assert pushed.registry.get_manifest(pushed.repository, digest) == manifest


def test_an_index_may_name_indexes(pushed: Pushed) -> None:
    def index_of(kind: str, digest: str) -> bytes:
        entry = {"mediaType": kind, "digest": digest, "size": 1}
        return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}).encode()

    inner = index_of(OCI_MANIFEST, pushed.manifest)
    pushed.registry.put_manifest(pushed.repository, digest_of(inner), inner, OCI_INDEX)
    outer = index_of(OCI_INDEX, digest_of(inner))
    pushed.registry.put_manifest(pushed.repository, "outer", outer, OCI_INDEX)
    assert pushed.call("GET", "manifests/outer").expect(200).body == outer
    sparse = pushed.call(
        "PUT", "manifests/sparse", headers={"Content-Type": OCI_INDEX}, body=index_of(OCI_INDEX, ABSENT)
    )
    refused(sparse, 400, "MANIFEST_BLOB_UNKNOWN")


@pytest.mark.parametrize("reference", ["sha256:totallywrong", ".INVALID_MANIFEST_NAME"])
def test_an_error_is_told_in_the_form_of_the_specification(pushed: Pushed, reference: str) -> None:
    headers = {"Content-Type": OCI_MANIFEST}
    reply = pushed.call("PUT", f"manifests/{reference}", headers=headers, body=b"blablabla")
    refused(reply, 400, "DIGEST_INVALID" if ":" in reference else "TAG_INVALID")


def test_a_manifest_of_four_mebibytes_is_taken_and_no_larger_one(pushed: Pushed) -> None:
    bare = manifest_of(pushed.config, note="")
    largest = manifest_of(pushed.config, note="x" * (4 * 2**20 - len(bare)))
    assert len(largest) == 4 * 2**20
    pushed.registry.put_manifest(pushed.repository, "largest", largest)
    headers = {"Content-Type": OCI_MANIFEST}
    refused(pushed.call("PUT", "manifests/larger", headers=headers, body=largest + b" "), 413, "SIZE_INVALID")


# Content discovery: end-8, end-12


def test_tags_are_listed_in_order_and_in_pages(pushed: Pushed) -> None:
    manifest = manifest_of(pushed.config, pushed.layer)
    for tag in ("b", "B", "a10", "a9"):
        pushed.registry.put_manifest(pushed.repository, tag, manifest)
    tags = ["B", "a10", "a9", "b", "v1"]
    listed = pushed.call("GET", "tags/list").expect(200).json
    assert listed == {"name": pushed.repository, "tags": tags}
    page = pushed.call("GET", "tags/list?n=2").expect(200)
    assert page.json["tags"] == tags[:2]
    assert page.headers["Link"].endswith('; rel="next"')
    assert pushed.call("GET", "tags/list?n=2&last=a10").expect(200).json["tags"] == tags[2:4]
    last = pushed.call("GET", "tags/list?n=2&last=b").expect(200)
    assert (last.json["tags"], last.headers["Link"]) == (tags[4:], None)
    assert pushed.call("GET", "tags/list?n=0").expect(200).json["tags"] == []


def test_referrers_are_listed_filtered_and_told_on_push(pushed: Pushed) -> None:
    pushed.registry.put_blob(pushed.repository, EMPTY)
    headers = {"Content-Type": OCI_MANIFEST}
    digests = {}
    for kind, subject in (("example/sbom", pushed.manifest), ("example/note", pushed.manifest), ("x/early", ABSENT)):
        content = artifact(subject, kind, who=kind)
        put = pushed.call("PUT", f"manifests/{digest_of(content)}", headers=headers, body=content).expect(201)
        assert put.headers["OCI-Subject"] == subject
        digests[kind] = digest_of(content)
    found = pushed.call("GET", f"referrers/{pushed.manifest}").expect(200)
    assert found.headers["Content-Type"] == OCI_INDEX
    shown = {entry["digest"]: entry for entry in found.json["manifests"]}
    assert shown.keys() == {digests["example/sbom"], digests["example/note"]}
    assert shown[digests["example/sbom"]]["artifactType"] == "example/sbom"
    assert shown[digests["example/sbom"]]["annotations"] == {"who": "example/sbom"}
    only = pushed.call("GET", f"referrers/{pushed.manifest}?artifactType=example/note").expect(200)
    assert only.headers["OCI-Filters-Applied"] == "artifactType"
    assert [entry["digest"] for entry in only.json["manifests"]] == [digests["example/note"]]
    first = pushed.call("GET", f"referrers/{pushed.manifest}?n=1").expect(200)
    link = first.headers["Link"]
    second = pushed.call("GET", f"{pushed.registry.url}{link[1 : link.index('>')]}").expect(200)
    assert {entry["digest"] for page in (first, second) for entry in page.json["manifests"]} == shown.keys()
    early = pushed.call("GET", f"referrers/{ABSENT}").expect(200).json["manifests"]
    assert [entry["digest"] for entry in early] == [digests["x/early"]]


@pytest.mark.parametrize("pushed_to", [True, False])
def test_what_nothing_refers_to_has_an_empty_index(pushed: Pushed, pushed_to: bool) -> None:
    repository = pushed.repository if pushed_to else f"{pushed.repository}-to-come"
    found = pushed.registry.call("GET", repository, f"referrers/{digest_of(b'nothing')}").expect(200)
    assert found.headers["Content-Type"] == OCI_INDEX
    assert (found.json["schemaVersion"], found.json["manifests"]) == (2, [])


def test_referrers_outlive_their_subject(pushed: Pushed) -> None:
    pushed.registry.put_blob(pushed.repository, EMPTY)
    content = artifact(pushed.manifest, "example/sbom")
    pushed.registry.put_manifest(pushed.repository, digest_of(content), content)
    pushed.call("DELETE", f"manifests/{pushed.manifest}").expect(202)
    found = pushed.call("GET", f"referrers/{pushed.manifest}").expect(200).json["manifests"]
    assert [entry["digest"] for entry in found] == [digest_of(content)]


# Content management: end-9, end-10


def test_a_tag_is_deleted_and_its_manifest_stays(pushed: Pushed) -> None:
    pushed.call("DELETE", "manifests/v1").expect(202)
    refused(pushed.call("GET", "manifests/v1"), 404, "MANIFEST_UNKNOWN")
    pushed.call("GET", f"manifests/{pushed.manifest}").expect(200)
    assert pushed.call("GET", "tags/list").expect(200).json["tags"] == []


def test_a_manifest_is_deleted_with_its_tags(pushed: Pushed) -> None:
    pushed.call("DELETE", f"manifests/{pushed.manifest}").expect(202)
    for reference in (pushed.manifest, "v1"):
        refused(pushed.call("GET", f"manifests/{reference}"), 404, "MANIFEST_UNKNOWN")
    refused(pushed.call("DELETE", f"manifests/{pushed.manifest}"), 404, "MANIFEST_UNKNOWN")


def test_a_blob_is_deleted_once_nothing_needs_it(pushed: Pushed) -> None:
    digest = pushed.registry.put_blob(pushed.repository, os.urandom(100))
    pushed.call("DELETE", f"blobs/{digest}").expect(202)
    refused(pushed.call("GET", f"blobs/{digest}"), 404, "BLOB_UNKNOWN")
    refused(pushed.call("DELETE", f"blobs/{digest}"), 404, "BLOB_UNKNOWN")
