"""What the specifications say beside the main thing: pages of referrers, conditions, requests that come twice."""

import json
import re
from typing import Any

import pytest
from werkzeug.test import TestResponse

from models.manifests import MOST_BYTES
from registry.manifest_format import OCI_INDEX, OCI_MANIFEST
from registry.names import Digest
from tests.factories.answers import executed
from tests.unit.registry.conftest import Registry, image, index

SUBJECT = str(Digest.of(b"an image that is signed often"))


def refer(registry: Registry, number: int, **extra: Any) -> str:
    """Push a manifest about SUBJECT, of blobs that are there; its digest."""
    pointer = {"mediaType": OCI_MANIFEST, "digest": SUBJECT, "size": 1}
    document = image(str(Digest.of(b"{}")), 2, str(Digest.of(b"layer")), 5, subject=pointer, number=number, **extra)
    content = json.dumps(document).encode()
    digest = str(Digest.of(content))
    answer = registry.put_manifest(digest, content)
    assert (answer.status_code, answer.headers["OCI-Subject"]) == (201, SUBJECT)
    return digest


def follow(registry: Registry, query: str = "") -> list[list[str]]:
    """The digests on each page, by way of the Link headers."""
    pages, path = [], f"/v2/acme/app/referrers/{SUBJECT}{query}"
    while path:
        answer = registry.call("GET", path.removeprefix("/v2/"))
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, OCI_INDEX)
        assert ("OCI-Filters-Applied" in answer.headers) == ("artifactType" in path)
        pages.append([entry["digest"] for entry in answer.get_json()["manifests"]])
        link = re.fullmatch(r'<(.+)>; rel="next"', answer.headers.get("Link", ""))
        path = link[1] if link else ""
    return pages


def test_referrers_come_in_pages_that_keep_the_filter(registry: Registry) -> None:
    registry.push_image("v1")
    kinds = ["example/a+b", "example/c"]
    digests = [refer(registry, number, artifactType=kinds[number % 2]) for number in range(5)]

    assert follow(registry) == [digests]
    assert follow(registry, "?n=2") == [digests[:2], digests[2:4], digests[4:]]
    assert follow(registry, "?n=1&artifactType=example/a%2Bb") == [[digests[0]], [digests[2]], [digests[4]]]
    assert follow(registry, "?artifactType=nothing") == [[]]


def test_a_page_of_referrers_holds_little_however_much_they_say(registry: Registry) -> None:
    registry.push_image("v1")
    large = {"note": "x" * (MOST_BYTES * 2 // 5)}
    digests = [refer(registry, number, annotations=large) for number in range(3)]
    digests.append(refer(registry, 3, annotations={"note": "x" * MOST_BYTES}))

    assert follow(registry) == [digests[:2], [digests[2]], [digests[3]]]


def test_what_referrers_say_of_themselves_is_shown_as_they_said_it(registry: Registry) -> None:
    registry.push_image("v1")
    notes = {'with "quotes"': "and\\slashes", "größe": "\U0001f40b \u2028", "empty": ""}
    digests = [
        refer(registry, 1, annotations=notes, artifactType='example/"quoted"+größe'),
        refer(registry, 2, annotations={}),
        refer(registry, 3),
    ]

    shown = registry.call("GET", f"acme/app/referrers/{SUBJECT}").get_json()

    config = "application/vnd.oci.image.config.v1+json"
    extras: tuple[dict[str, Any], ...] = (
        {"artifactType": 'example/"quoted"+größe', "annotations": notes},
        *[{"artifactType": config}] * 2,
    )
    sizes = [int(registry.call("HEAD", f"acme/app/manifests/{digest}").headers["Content-Length"]) for digest in digests]
    manifests = [
        {"mediaType": OCI_MANIFEST, "digest": digest, "size": size, **extra}
        for digest, size, extra in zip(digests, sizes, extras, strict=True)
    ]
    assert shown == {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}


def test_more_referrers_take_no_more_statements(registry: Registry) -> None:
    registry.push_image("v1")
    numbers = []
    for number in range(0, 12, 4):
        for each in range(number, number + 4):
            refer(registry, each)
        with executed(registry.services.database) as statements:
            assert len(follow(registry)[0]) == number + 4
        numbers.append(len(statements))
    assert numbers[0] == numbers[-1] <= 4


def test_a_repository_to_come_has_no_referrers(registry: Registry) -> None:
    path = f"acme/new/referrers/{SUBJECT}?artifactType=example/a"
    answer = registry.call("GET", path, repository="acme/new")
    assert (answer.status_code, answer.headers["OCI-Filters-Applied"]) == (200, "artifactType")
    assert answer.get_json() == {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
    assert registry.call("GET", path, user="stranger+bot", repository="acme/new").status_code == 403


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
@pytest.mark.parametrize("reference", [".INVALID_MANIFEST_NAME", "-bad", "x" * 129])
def test_what_no_tag_can_be_called_is_unknown(registry: Registry, method: str, reference: str) -> None:
    registry.push_image("v1")
    answer = registry.call(method, f"acme/app/manifests/{reference}")
    assert answer.status_code == 404
    assert method == "HEAD" or code(answer) == "MANIFEST_UNKNOWN"


@pytest.mark.parametrize("query", ["last=x", "last=-1", "last=", "last=9999999999999999999", "n=x"])
def test_a_page_that_cannot_be_is_refused(registry: Registry, query: str) -> None:
    registry.push_image("v1")
    answer = registry.call("GET", f"acme/app/referrers/{SUBJECT}?{query}")
    assert (answer.status_code, code(answer)) == (400, "PAGINATION_NUMBER_INVALID")


@pytest.mark.parametrize("form", ['"{}"', 'W/"{}"', '"other", "{}"', "*"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_what_the_client_has_already_is_not_sent(registry: Registry, method: str, form: str) -> None:
    digest = registry.push_image("v1")
    blob = str(Digest.of(b"layer"))
    for path, tag in (("manifests/v1", digest), (f"manifests/{digest}", digest), (f"blobs/{blob}", blob)):
        same = registry.call(method, f"acme/app/{path}", headers={"If-None-Match": form.format(tag)})
        assert (same.status_code, same.data, same.headers["ETag"]) == (304, b"", f'"{tag}"')
        other = registry.call(method, f"acme/app/{path}", headers={"If-None-Match": '"other"'})
        assert other.status_code == 200


def test_a_part_is_sent_only_of_the_content_that_the_client_has_a_part_of(registry: Registry) -> None:
    digest = registry.push_blob(b"0123456789")
    for condition, status in ((f'"{digest}"', 206), ('"other"', 200), ("Wed, 21 Oct 2015 07:28:00 GMT", 200)):
        headers = {"Range": "bytes=2-3", "If-Range": condition}
        answer = registry.call("GET", f"acme/app/blobs/{digest}", headers=headers)
        assert (answer.status_code, answer.data) == (status, b"23" if status == 206 else b"0123456789")


def test_several_ranges_at_once_are_answered_with_all_of_it(registry: Registry) -> None:
    digest = registry.push_blob(b"0123456789")
    answer = registry.call("GET", f"acme/app/blobs/{digest}", headers={"Range": "bytes=0-1,4-5"})
    assert (answer.status_code, answer.data) == (200, b"0123456789")


def test_a_request_that_finishes_an_upload_again_gets_the_same_answer(registry: Registry) -> None:
    content = b"pushed once, asked for twice"
    location = registry.call("POST", "acme/app/blobs/uploads/").headers["Location"].removeprefix("/v2/")
    registry.call("PATCH", location, data=content)
    answers = [registry.call("PUT", f"{location}?digest={Digest.of(content)}") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].headers["Location"] == answers[1].headers["Location"]
    other = registry.call("PUT", f"{location}?digest={Digest.of(b'other')}")
    assert (other.status_code, code(other)) == (404, "BLOB_UPLOAD_UNKNOWN")


@pytest.mark.parametrize("source", ["ubuntu", "UPPER/case", "a//b", "acme/none"])
def test_a_blob_that_cannot_be_mounted_from_there_is_uploaded(registry: Registry, source: str) -> None:
    digest = registry.push_blob(b"here", repository="acme/other")
    begun = registry.call("POST", "acme/app/blobs/uploads/", query_string={"mount": digest, "from": source})
    assert begun.status_code == 202
    location = begun.headers["Location"].removeprefix("/v2/")
    assert registry.call("PUT", location, query_string={"digest": digest}, data=b"here").status_code == 201


def test_a_cancelled_upload_is_not_finished_again(registry: Registry) -> None:
    location = registry.call("POST", "acme/app/blobs/uploads/").headers["Location"].removeprefix("/v2/")
    registry.call("PATCH", location, data=b"given up")
    assert registry.call("DELETE", location).status_code == 204
    assert registry.call("PUT", f"{location}?digest={Digest.of(b'given up')}").status_code == 404


def test_who_looks_for_a_blob_is_told_to_ask_for_what_a_push_needs(registry: Registry) -> None:
    path = f"/v2/acme/app/blobs/{registry.push_blob(b'here')}"
    asked = registry.client.head(path)
    assert asked.status_code == 401
    assert 'scope="repository:acme/app:pull,push"' in asked.headers["WWW-Authenticate"]
    assert 'scope="repository:acme/app:pull"' in registry.client.get(path).headers["WWW-Authenticate"]


def test_indexes_of_indexes_and_what_nobody_knows_are_kept_as_they_are(registry: Registry) -> None:
    child = registry.push_image("v1", data="e30=", unknown={"of": ["nobody"]})
    inner = json.dumps(index(child)).encode()
    assert registry.put_manifest("inner", inner, media_type=OCI_INDEX).status_code == 201
    outer = {**index(), "manifests": [{"mediaType": OCI_INDEX, "digest": str(Digest.of(inner)), "size": len(inner)}]}
    outer["artifactType"] = "example/of.indexes"
    assert registry.put_manifest("outer", outer, media_type=OCI_INDEX).status_code == 201

    pulled = registry.call("GET", "acme/app/manifests/outer")
    assert (pulled.get_json(), pulled.headers["Content-Type"]) == (outer, OCI_INDEX)
    assert registry.call("GET", f"acme/app/manifests/{child}").get_json()["unknown"] == {"of": ["nobody"]}


@pytest.mark.parametrize("reference", ["sha256:totallywrong", ".INVALID_MANIFEST_NAME", "x" * 129])
def test_a_manifest_under_an_impossible_name_is_refused_as_the_specification_says(
    registry: Registry, reference: str
) -> None:
    registry.push_image("v1")
    answer = registry.put_manifest(reference, b"blablabla")
    assert answer.status_code == 400
    assert code(answer) in {"DIGEST_INVALID", "TAG_INVALID"}
    assert answer.get_json()["errors"][0].keys() == {"code", "message", "detail"}


def code(answer: TestResponse) -> str:
    return str(answer.get_json()["errors"][0]["code"])
