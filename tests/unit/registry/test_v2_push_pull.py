"""Pushing and pulling over /v2, as the distribution specification tells clients to."""

import hashlib
import json

import pytest

from registry.names import Digest
from tests.unit.registry.conftest import Registry, image, index, repositories

LAYER = b"0123456789" * 1000
DIGEST = str(Digest.of(LAYER))


def start(registry: Registry, repository: str = "acme/app") -> str:
    answer = registry.call("POST", f"{repository}/blobs/uploads/", repository=repository)
    assert answer.status_code == 202
    return answer.headers["Location"].removeprefix("/v2/")


def test_a_blob_pushed_in_one_request_can_be_read(registry: Registry) -> None:
    answer = registry.call("POST", f"acme/app/blobs/uploads/?digest={DIGEST}", data=LAYER)
    assert (answer.status_code, answer.headers["Docker-Content-Digest"]) == (201, DIGEST)
    read = registry.call("GET", answer.headers["Location"].removeprefix("/v2/"))
    assert (read.status_code, read.data) == (200, LAYER)
    head = registry.call("HEAD", f"acme/app/blobs/{DIGEST}")
    assert (head.status_code, head.headers["Content-Length"]) == (200, str(len(LAYER)))


def test_post_then_put(registry: Registry) -> None:
    assert registry.push_blob(LAYER) == DIGEST
    assert registry.call("GET", f"acme/app/blobs/{DIGEST}").data == LAYER


def test_chunks_in_order_make_a_blob(registry: Registry) -> None:
    location = start(registry)
    for first in range(0, len(LAYER), 4000):
        part = LAYER[first : first + 4000]
        headers = {"Content-Range": f"{first}-{first + len(part) - 1}"}
        answer = registry.call("PATCH", location, data=part, headers=headers)
        assert (answer.status_code, answer.headers["Range"]) == (202, f"0-{first + len(part) - 1}")
    status = registry.call("GET", location)
    assert (status.status_code, status.headers["Range"]) == (204, f"0-{len(LAYER) - 1}")
    assert registry.call("PUT", f"{location}?digest={DIGEST}").status_code == 201
    assert registry.call("GET", f"acme/app/blobs/{DIGEST}").data == LAYER


def test_a_chunk_out_of_order_is_refused_with_where_to_go_on(registry: Registry) -> None:
    location = start(registry)
    registry.call("PATCH", location, data=b"abcd")
    answer = registry.call("PATCH", location, data=b"xy", headers={"Content-Range": "7-8"})
    assert (answer.status_code, answer.headers["Range"]) == (416, "0-3")
    assert registry.call("PATCH", location, data=b"ef", headers={"Content-Range": "4-5"}).status_code == 202


def test_sha512_digests_work(registry: Registry) -> None:
    digest = f"sha512:{hashlib.sha512(LAYER).hexdigest()}"
    location = start(registry)
    registry.call("PATCH", location, data=LAYER)
    assert registry.call("PUT", f"{location}?digest={digest}").status_code == 201
    assert registry.call("GET", f"acme/app/blobs/{digest}").data == LAYER


def test_an_empty_blob_can_be_pushed(registry: Registry) -> None:
    location = start(registry)
    assert registry.call("PUT", f"{location}?digest={Digest.of(b'')}").status_code == 201
    assert registry.call("GET", f"acme/app/blobs/{Digest.of(b'')}").data == b""


@pytest.mark.parametrize("with_body", [True, False])
def test_a_wrong_digest_is_refused_and_publishes_nothing(registry: Registry, with_body: bool) -> None:
    wrong = str(Digest.of(b"something else"))
    location = start(registry)
    if not with_body:
        registry.call("PATCH", location, data=LAYER)
    answer = registry.call("PUT", f"{location}?digest={wrong}", data=LAYER if with_body else None)
    assert (answer.status_code, answer.get_json()["errors"][0]["code"]) == (400, "DIGEST_INVALID")
    assert registry.call("GET", f"acme/app/blobs/{wrong}").status_code == 404
    assert list(registry.services.storage.list("blobs")) == []


def test_after_a_wrong_digest_the_right_one_still_works(registry: Registry) -> None:
    location = start(registry)
    registry.call("PATCH", location, data=LAYER)
    assert registry.call("PUT", f"{location}?digest={Digest.of(b'other')}").status_code == 400
    assert registry.call("PUT", f"{location}?digest={DIGEST}").status_code == 201


def test_a_wrong_digest_over_several_chunks_is_found_by_reading_back(registry: Registry) -> None:
    location = start(registry)
    registry.call("PATCH", location, data=LAYER[:10])
    registry.call("PATCH", location, data=LAYER[10:])
    assert registry.call("PUT", f"{location}?digest={Digest.of(b'other')}").status_code == 400
    assert list(registry.services.storage.list("blobs")) == []


def test_the_same_blob_twice_is_stored_once(registry: Registry) -> None:
    registry.push_blob(LAYER)
    registry.push_blob(LAYER, repository="acme/other")
    assert len(list(registry.services.storage.list("blobs"))) == 1
    assert registry.call("GET", f"acme/other/blobs/{DIGEST}", repository="acme/other").data == LAYER


def test_a_cancelled_upload_is_gone(registry: Registry) -> None:
    location = start(registry)
    registry.call("PATCH", location, data=LAYER)
    assert registry.call("DELETE", location).status_code == 204
    assert registry.call("GET", location).get_json()["errors"][0]["code"] == "BLOB_UPLOAD_UNKNOWN"
    assert registry.call("PATCH", location, data=LAYER).status_code == 404


def test_a_blob_is_not_readable_through_another_repository(registry: Registry) -> None:
    registry.push_blob(LAYER)
    registry.push_blob(b"other", repository="acme/other")
    assert registry.call("GET", f"acme/other/blobs/{DIGEST}", repository="acme/other").status_code == 404


@pytest.mark.parametrize("source", ["&from=acme/app", ""])
def test_a_blob_can_be_mounted(registry: Registry, source: str) -> None:
    registry.push_blob(LAYER)
    answer = registry.call("POST", f"acme/two/blobs/uploads/?mount={DIGEST}{source}", repository="acme/two")
    assert (answer.status_code, answer.headers["Docker-Content-Digest"]) == (201, DIGEST)
    assert registry.call("HEAD", f"acme/two/blobs/{DIGEST}", repository="acme/two").status_code == 200


def test_a_mount_from_where_one_may_not_read_becomes_an_upload(registry: Registry) -> None:
    registry.push_blob(LAYER)
    for source in ("&from=acme/app", "", "&from=acme/nothing"):
        answer = registry.call(
            "POST", f"stranger/x/blobs/uploads/?mount={DIGEST}{source}", user="stranger+bot", repository="stranger/x"
        )
        assert answer.status_code in (202, 403)  # a robot may push only where it may create
    assert repositories(registry) == ["acme/app"]


@pytest.mark.parametrize(
    ("asked", "status", "first", "last"),
    [
        ("bytes=0-9", 206, 0, 9),
        ("bytes=9990-", 206, 9990, 9999),
        ("bytes=-5", 206, 9995, 9999),
        ("bytes=5-99999999", 206, 5, 9999),
        ("bytes=-20000", 206, 0, 9999),
        ("bytes=0-", 206, 0, 9999),
        ("bytes=-", 200, 0, 9999),
        ("bytes=0-1,5-6", 200, 0, 9999),
        ("lines=1-2", 200, 0, 9999),
        ("nonsense", 200, 0, 9999),
    ],
)
def test_ranges(registry: Registry, asked: str, status: int, first: int, last: int) -> None:
    registry.push_blob(LAYER)
    answer = registry.call("GET", f"acme/app/blobs/{DIGEST}", headers={"Range": asked})
    assert (answer.status_code, answer.data) == (status, LAYER[first : last + 1])
    if status == 206:
        assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(LAYER)}"


@pytest.mark.parametrize("asked", ["bytes=10000-", "bytes=20000-30000", "bytes=500-0", "bytes=-0"])
def test_a_range_without_bytes_of_the_blob_is_416(registry: Registry, asked: str) -> None:
    registry.push_blob(LAYER)
    answer = registry.call("GET", f"acme/app/blobs/{DIGEST}", headers={"Range": asked})
    assert (answer.status_code, answer.headers["Content-Range"]) == (416, "bytes */10000")


def test_of_an_empty_blob_there_are_no_parts(registry: Registry) -> None:
    digest = registry.push_blob(b"")
    answer = registry.call("GET", f"acme/app/blobs/{digest}", headers={"Range": "bytes=0-99"})
    assert (answer.status_code, answer.data, answer.headers["Content-Length"]) == (200, b"", "0")


def test_an_image_is_pulled_as_it_was_pushed(registry: Registry) -> None:
    digest = registry.push_image("v1")
    by_tag = registry.call("GET", "acme/app/manifests/v1")
    by_digest = registry.call("GET", f"acme/app/manifests/{digest}")
    assert by_tag.data == by_digest.data
    assert str(Digest.of(by_tag.data)) == digest == by_tag.headers["Docker-Content-Digest"]
    assert by_tag.headers["Content-Type"] == "application/vnd.oci.image.manifest.v1+json"
    assert registry.call("HEAD", "acme/app/manifests/v1").headers["Content-Length"] == str(len(by_tag.data))
    again = registry.call("GET", "acme/app/manifests/v1", headers={"If-None-Match": by_tag.headers["ETag"]})
    assert again.status_code == 304


def test_a_manifest_needs_its_blobs(registry: Registry) -> None:
    layer = registry.push_blob(LAYER)
    missing = str(Digest.of(b"never pushed"))
    answer = registry.put_manifest("v1", image(missing, 3, layer, len(LAYER)))
    error = answer.get_json()["errors"][0]
    assert (answer.status_code, error["code"], error["detail"]) == (
        400,
        "MANIFEST_BLOB_UNKNOWN",
        {"digests": [missing]},
    )
    assert registry.call("GET", "acme/app/manifests/v1").status_code == 404


def test_an_index_needs_its_manifests(registry: Registry) -> None:
    child = registry.push_image("child")
    media_type = "application/vnd.oci.image.index.v1+json"
    assert registry.put_manifest("multi", index(child), media_type=media_type).status_code == 201
    answer = registry.put_manifest("bad", index(child, str(Digest.of(b"no"))), media_type=media_type)
    assert answer.get_json()["errors"][0]["code"] == "MANIFEST_BLOB_UNKNOWN"


def test_foreign_layers_need_not_be_here(registry: Registry) -> None:
    config = registry.push_blob(b"{}")
    manifest = image(config, 2, str(Digest.of(b"elsewhere")), 9)
    manifest["layers"][0]["urls"] = ["https://example.com/layer"]
    assert registry.put_manifest("win", manifest).status_code == 201


@pytest.mark.parametrize(
    ("document", "media_type", "status"),
    [
        (b"not json", "application/vnd.oci.image.manifest.v1+json", 400),
        (b"[]", "application/vnd.oci.image.manifest.v1+json", 400),
        ({"schemaVersion": 1}, "application/vnd.oci.image.manifest.v1+json", 400),
        ({"schemaVersion": 2}, "application/vnd.oci.image.manifest.v1+json", 400),
        ({"schemaVersion": 2, "config": 5, "layers": []}, None, 400),
        ({"schemaVersion": 2, "manifests": [{}]}, "application/vnd.oci.image.index.v1+json", 400),
        ({"schemaVersion": 2, "manifests": {}}, "application/vnd.oci.image.index.v1+json", 400),
        (b"hello", "text/plain", 400),
        ({"schemaVersion": 2}, "text/plain", 415),
        ({"schemaVersion": 1, "fsLayers": []}, "application/vnd.docker.distribution.manifest.v1+prettyjws", 415),
        ({"schemaVersion": 2, "mediaType": "a/b"}, "application/vnd.oci.image.manifest.v1+json", 400),
        (json.dumps(image(str(Digest.of(b"")), 0, str(Digest.of(b"")), 0)).encode("utf-16"), None, 400),
        (b"\xef\xbb\xbf{}", None, 400),
        (image(str(Digest.of(b"")), 0, str(Digest.of(b"")), 0, artifactType="\ud800"), None, 400),
        (image(str(Digest.of(b"")), 0, str(Digest.of(b"")), 0, artifactType="a\0b"), None, 400),
        (image(str(Digest.of(b"")), 0, str(Digest.of(b"")), 0, artifactType="x" * 256), None, 400),
        (image(str(Digest.of(b"")), 0, str(Digest.of(b"")), 2**63), None, 400),
        ({**image("", 0, "", 0), "layers": [], "config": {"digest": "x"}}, None, 400),
    ],
)
def test_bad_manifests_are_refused(registry: Registry, document: object, media_type: str | None, status: int) -> None:
    registry.push_blob(b"{}")
    answer = registry.put_manifest("bad", document, media_type=media_type)
    assert (answer.status_code, answer.get_json()["errors"][0]["code"]) == (status, "MANIFEST_INVALID")


def test_a_manifest_over_the_limit_is_413(registry: Registry) -> None:
    answer = registry.put_manifest("big", b" " * (4 * 1024 * 1024 + 1))
    assert (answer.status_code, answer.get_json()["errors"][0]["code"]) == (413, "SIZE_INVALID")


def test_a_manifest_pushed_by_another_digest_is_refused(registry: Registry) -> None:
    registry.push_image("v1")
    content = registry.call("GET", "acme/app/manifests/v1").data
    answer = registry.put_manifest(str(Digest.of(b"other")), content)
    assert (answer.status_code, answer.get_json()["errors"][0]["code"]) == (400, "DIGEST_INVALID")


def test_moving_a_tag_leaves_the_old_manifest_by_digest(registry: Registry) -> None:
    old, new = registry.push_image("v1", note="a"), registry.push_image("v1", note="b")
    assert registry.call("GET", "acme/app/manifests/v1").headers["Docker-Content-Digest"] == new
    assert registry.call("GET", f"acme/app/manifests/{old}").status_code == 200


def test_deleting_a_tag_keeps_the_manifest(registry: Registry) -> None:
    digest = registry.push_image("v1")
    assert registry.call("DELETE", "acme/app/manifests/v1").status_code == 202
    answer = registry.call("GET", "acme/app/manifests/v1")
    assert (answer.status_code, answer.get_json()["errors"][0]["code"]) == (404, "MANIFEST_UNKNOWN")
    assert "ended_ms" in answer.get_json()["errors"][0]["detail"]
    assert registry.call("GET", f"acme/app/manifests/{digest}").status_code == 200
    assert registry.call("DELETE", "acme/app/manifests/v1").status_code == 404


def test_deleting_a_manifest_ends_its_tags_and_pushing_it_again_revives_it(registry: Registry) -> None:
    digest = registry.push_image("v1")
    content = registry.call("GET", "acme/app/manifests/v1").data
    assert registry.call("DELETE", f"acme/app/manifests/{digest}").status_code == 202
    for reference in ("v1", digest):
        assert registry.call("GET", f"acme/app/manifests/{reference}").status_code == 404
    assert registry.call("GET", "acme/app/tags/list").get_json()["tags"] == []
    assert registry.put_manifest("v1", content).status_code == 201
    assert registry.call("GET", f"acme/app/manifests/{digest}").status_code == 200


def test_a_child_of_an_index_outlives_its_deletion(registry: Registry) -> None:
    child = registry.push_image("child")
    registry.put_manifest("multi", index(child), media_type="application/vnd.oci.image.index.v1+json")
    assert registry.call("DELETE", f"acme/app/manifests/{child}").status_code == 202
    assert registry.call("GET", f"acme/app/manifests/{child}").status_code == 200
    assert registry.call("GET", "acme/app/tags/list").get_json()["tags"] == ["multi"]


def test_a_blob_in_use_is_not_deleted(registry: Registry) -> None:
    digest = registry.push_image("v1")
    layer = json.loads(registry.call("GET", "acme/app/manifests/v1").data)["layers"][0]["digest"]
    assert registry.call("DELETE", f"acme/app/blobs/{layer}").status_code == 405
    loose = registry.push_blob(b"loose")
    assert registry.call("DELETE", f"acme/app/blobs/{loose}").status_code == 202
    assert registry.call("HEAD", f"acme/app/blobs/{loose}").status_code == 404
    assert registry.call("DELETE", f"acme/app/blobs/{loose}").status_code == 404
    assert registry.call("GET", f"acme/app/manifests/{digest}").status_code == 200


def test_tags_are_listed_in_pages(registry: Registry) -> None:
    digest = registry.push_image("b")
    content = registry.call("GET", f"acme/app/manifests/{digest}").data
    for tag in ("a", "C", "d"):
        registry.put_manifest(tag, content)
    first = registry.call("GET", "acme/app/tags/list?n=2")
    assert first.get_json() == {"name": "acme/app", "tags": ["C", "a"]}
    assert first.headers["Link"] == '</v2/acme/app/tags/list?n=2&last=a>; rel="next"'
    second = registry.call("GET", "acme/app/tags/list?n=2&last=a")
    assert (second.get_json()["tags"], "Link" in second.headers) == (["b", "d"], False)
    assert registry.call("GET", "acme/app/tags/list?n=0").get_json()["tags"] == []
    assert registry.call("GET", "acme/app/tags/list?n=-1").status_code == 400


def test_referrers_are_listed_and_filtered(registry: Registry) -> None:
    subject = registry.push_image("v1")
    pointer = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": subject, "size": 1}
    sbom = registry.push_image("s", note="s", subject=pointer, artifactType="example/sbom", annotations={"a": "b"})
    registry.push_image("g", note="g", subject=pointer, artifactType="example/signature")
    found = registry.call("GET", f"acme/app/referrers/{subject}")
    assert [entry["artifactType"] for entry in found.get_json()["manifests"]] == ["example/sbom", "example/signature"]
    only = registry.call("GET", f"acme/app/referrers/{subject}?artifactType=example/sbom")
    assert [entry["digest"] for entry in only.get_json()["manifests"]] == [sbom]
    assert only.get_json()["manifests"][0]["annotations"] == {"a": "b"}
    assert only.headers["OCI-Filters-Applied"] == "artifactType"
    assert registry.call("GET", f"acme/app/referrers/{Digest.of(b'none')}").get_json()["manifests"] == []


def test_pulls_are_logged_even_without_redis(registry: Registry) -> None:
    registry.push_image("v1")
    registry.call("GET", "acme/app/manifests/v1")
    registry.app.extensions["drydock.registry"].pulls.close()
    with registry.services.database.read() as session:
        from models.tables import LogEntry  # noqa: PLC0415

        kinds = [entry.kind for entry in session.query(LogEntry).order_by(LogEntry.id)]
    assert kinds == ["create_repo", "create_tag", "push_repo", "pull_repo"]


def test_an_upload_begun_elsewhere_is_unknown(registry: Registry) -> None:
    location = start(registry)
    registry.push_blob(b"x", repository="acme/other")
    uuid = location.rpartition("/")[2]
    for path in (
        f"acme/other/blobs/uploads/{uuid}",
        f"acme/app/blobs/uploads/{uuid[:-1]}x",
        "acme/app/blobs/uploads/x",
    ):
        answer = registry.call("PATCH", path, data=b"x", repository=path.partition("/blobs")[0])
        assert (answer.status_code, answer.get_json()["errors"][0]["code"]) == (404, "BLOB_UPLOAD_UNKNOWN")


def test_an_upload_makes_one_blob(registry: Registry) -> None:
    location = start(registry)
    assert registry.call("PUT", f"{location}?digest={DIGEST}", data=LAYER).status_code == 201
    assert registry.call("GET", location).status_code == 404
    again = registry.call("PUT", f"{location}?digest={Digest.of(b'two')}", data=b"two")
    assert again.status_code == 404
    assert registry.call("GET", f"acme/app/blobs/{Digest.of(b'two')}").status_code == 404
    assert len(list(registry.services.storage.list("blobs"))) == 1


def test_cancelling_before_any_bytes_came_ends_the_upload(registry: Registry) -> None:
    location = start(registry)
    assert registry.call("DELETE", location).status_code == 204
    assert registry.call("GET", location).status_code == 404
    assert registry.call("PATCH", location, data=b"x").status_code == 404


def test_layers_of_more_bytes_than_can_be_counted_are_refused(registry: Registry) -> None:
    document = image(str(Digest.of(b"")), 0, str(Digest.of(b"")), 2**63 - 1)
    document["layers"] *= 2
    answer = registry.put_manifest("v1", document)
    assert (answer.status_code, answer.get_json()["errors"][0]["code"]) == (400, "MANIFEST_INVALID")


@pytest.mark.parametrize("given", ["0-", "1-0", "x", f"0-{'9' * 5000}", "-", "bytes 0-1"])
def test_a_content_range_that_cannot_be_is_refused(registry: Registry, given: str) -> None:
    where = registry.call("POST", "acme/app/blobs/uploads/").headers["Location"]
    headers = {"Content-Range": given}
    answer = registry.call("PATCH", where.removeprefix("/v2/"), data=b"x", headers=headers)
    assert answer.status_code in (400, 416)


@pytest.mark.parametrize("path", ["acme/app/tags/list?last=%00", "_catalog?last=%00", "acme/app/manifests/a%00b"])
def test_nul_is_refused(registry: Registry, path: str) -> None:
    assert registry.call("GET", path).status_code == 400
