"""The protocol on the wire, where clients differ: streams, broken connections, ranges, mounts, races."""

import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from tests.e2e.clients.http import call
from tests.e2e.clients.people import Person
from tests.e2e.clients.registry import OCI_INDEX, Registry, config_of, digest_of, manifest_of
from tests.services.drydock import Drydock
from tests.services.process import wait_until

MIB = 1 << 20
OCTETS = {"Content-Type": "application/octet-stream"}


@pytest.fixture
def processes(drydock: Drydock, alice: Person) -> tuple[Registry, Registry]:
    """Alice's client at two web processes: different servers in production, else whichever process takes a request."""
    first, last = drydock.web_ports[0], drydock.web_ports[-1]
    return alice.registry.at(f"http://127.0.0.1:{first}"), alice.registry.at(f"http://127.0.0.1:{last}")


def test_a_caller_without_a_token_is_told_where_to_get_one(drydock: Drydock) -> None:
    reply = call("GET", f"{drydock.url}/v2/").expect(401)

    assert reply.headers["Docker-Distribution-API-Version"] == "registry/2.0"
    assert f'realm="{drydock.url}/v2/auth"' in reply.headers["WWW-Authenticate"]


def test_a_layer_is_streamed_in_chunks_of_unknown_length(alice: Person, repository: str) -> None:
    registry, content = alice.registry, os.urandom(3 * MIB + 17)
    location = registry.start_upload(repository)

    sent = registry.call("PATCH", repository, location, headers=OCTETS, body=_pieces(content, 100_000)).expect(202)
    assert sent.headers["Range"] == f"0-{len(content) - 1}"
    closing = registry.finishing(registry.location(sent), digest_of(content))
    registry.call("PUT", repository, closing, body=b"").expect(201)

    assert registry.get_blob(repository, digest_of(content)) == content


def test_a_layer_arrives_by_way_of_several_processes(
    processes: tuple[Registry, Registry], alice: Person, repository: str
) -> None:
    content = os.urandom(11 * MIB)
    here, there = processes
    location, sent = urlsplit(here.start_upload(repository)).path, 0
    for number, size in enumerate((6 * MIB, 1000, 5 * MIB - 1000)):
        client = (here, there)[number % 2]
        part = content[sent : sent + size]
        headers = {**OCTETS, "Content-Range": f"{sent}-{sent + size - 1}"}
        reply = client.call("PATCH", repository, client.url + location, headers=headers, body=part).expect(202)
        location, sent = urlsplit(client.location(reply)).path, sent + size

    closing = there.finishing(there.url + location, digest_of(content))
    there.call("PUT", repository, closing, body=b"").expect(201)

    assert alice.registry.get_blob(repository, digest_of(content)) == content


def test_an_upload_is_resumed_after_the_client_died_in_the_middle(
    processes: tuple[Registry, Registry], alice: Person, repository: str
) -> None:
    content = os.urandom(9 * MIB)
    here, there = processes
    location = urlsplit(here.start_upload(repository)).path
    _send_and_die(here, repository, location, content, 7 * MIB + 5)

    kept = _kept(there, repository, location)
    headers = {**OCTETS, "Content-Range": f"{kept}-{len(content) - 1}"}
    there.call("PATCH", repository, there.url + location, headers=headers, body=content[kept:]).expect(202)
    closing = here.finishing(here.url + location, digest_of(content))
    here.call("PUT", repository, closing, body=b"").expect(201)

    assert 0 < kept <= 7 * MIB + 5
    assert alice.registry.get_blob(repository, digest_of(content)) == content


def test_a_piece_in_the_wrong_place_is_refused_and_told_the_right_one(alice: Person, repository: str) -> None:
    registry = alice.registry
    location = registry.start_upload(repository)
    location = registry.location(registry.call("PATCH", repository, location, headers=OCTETS, body=b"0123"))

    refused = registry.call(
        "PATCH", repository, location, headers={**OCTETS, "Content-Range": "9-12"}, body=b"9abc"
    ).expect(416)

    assert refused.headers["Range"] == "0-3"


def test_content_that_is_not_what_its_digest_says_is_refused(alice: Person, repository: str) -> None:
    registry, wrong = alice.registry, digest_of(b"something else")
    location = registry.finishing(registry.start_upload(repository), wrong)

    refused = registry.call("PUT", repository, location, headers=OCTETS, body=b"content").expect(400)

    assert refused.json["errors"][0]["code"] == "DIGEST_INVALID"
    registry.call("HEAD", repository, f"blobs/{wrong}").expect(404)


def test_a_manifest_is_refused_while_its_layers_are_missing(alice: Person, repository: str) -> None:
    registry = alice.registry
    config = config_of("amd64", b"never pushed")
    registry.put_blob(repository, config)

    headers = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
    manifest = manifest_of(config, b"never pushed")
    refused = registry.call("PUT", repository, "manifests/1", headers=headers, body=manifest).expect(404, 400)

    assert refused.json["errors"][0]["code"] == "MANIFEST_BLOB_UNKNOWN"
    registry.call("GET", repository, "manifests/1").expect(404)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [("bytes=0-9", slice(0, 10)), ("bytes=1000-", slice(1000, None)), ("bytes=-7", slice(-7, None))],
)
def test_a_part_of_a_layer_is_fetched(alice: Person, repository: str, wanted: str, expected: slice) -> None:
    content = os.urandom(2 * MIB)
    digest = alice.registry.put_blob(repository, content)

    reply = alice.registry.call("GET", repository, f"blobs/{digest}", headers={"Range": wanted}, follow=True)

    # 206 of Drydock and of S3, but the S3 server of the tests calls a part 200.
    assert reply.expect(206, 200).body == content[expected]
    assert reply.headers["Content-Range"].endswith(f"/{len(content)}")


def test_a_range_beyond_the_end_is_not_satisfiable(alice: Person, repository: str) -> None:
    digest = alice.registry.put_blob(repository, b"short")

    alice.registry.call("GET", repository, f"blobs/{digest}", headers={"Range": "bytes=100-200"}, follow=True).expect(
        416
    )


def test_a_layer_is_looked_at_without_fetching_it(alice: Person, repository: str) -> None:
    digest = alice.registry.put_blob(repository, b"content")

    reply = alice.registry.call("HEAD", repository, f"blobs/{digest}").expect(200)

    assert (reply.headers["Content-Length"], reply.headers["Docker-Content-Digest"]) == ("7", digest)


def test_a_layer_is_mounted_by_those_who_may_read_it_only(alice: Person, bob: Person, repository: str) -> None:
    digest = alice.registry.put_blob(repository, os.urandom(1000))
    mount = f"blobs/uploads/?mount={digest}&from={repository}"

    mine = alice.registry.call("POST", f"{repository}-copy", mount, body=b"", also=repository)
    not_mine = bob.registry.call("POST", f"{bob.name}/copy", mount, body=b"")

    assert (mine.status, not_mine.status) == (201, 202)
    alice.registry.get_blob(f"{repository}-copy", digest)
    bob.registry.call("HEAD", f"{bob.name}/copy", f"blobs/{digest}").expect(404)


def test_the_same_layer_pushed_by_many_at_once_is_right_for_all(alice: Person, repository: str) -> None:
    content = os.urandom(4 * MIB)
    repositories = [f"{repository}-{number % 3}" for number in range(8)]
    with ThreadPoolExecutor(len(repositories)) as pool:
        digests = list(pool.map(lambda name: alice.registry.put_blob(name, content), repositories))

    assert set(digests) == {digest_of(content)}
    for name in set(repositories):
        assert alice.registry.get_blob(name, digest_of(content)) == content


def test_the_same_tag_pushed_by_many_at_once_names_one_of_their_images(alice: Person, repository: str) -> None:
    layers = [os.urandom(1000) for _ in range(6)]
    with ThreadPoolExecutor(len(layers)) as pool:
        digests = list(pool.map(lambda layer: alice.registry.push_image(repository, "shared", layer), layers))

    reply = alice.registry.call("GET", repository, "manifests/shared").expect(200)

    assert reply.headers["Docker-Content-Digest"] in digests
    alice.registry.check_image(repository, "shared")


def test_a_long_list_of_tags_comes_in_pages(alice: Person, repository: str) -> None:
    layer = b"one layer"
    config = config_of("amd64", layer)
    for content in (layer, config):
        alice.registry.put_blob(repository, content)
    for number in range(5):
        alice.registry.put_manifest(repository, f"t{number}", manifest_of(config, layer))

    pages, path = [], "tags/list?n=2"
    while path:
        reply = alice.registry.call("GET", repository, path).expect(200)
        pages.append(reply.json["tags"])
        link = reply.headers["Link"]
        path = f"{alice.registry.url}{link[1 : link.index('>')]}" if link else ""

    assert pages == [["t0", "t1"], ["t2", "t3"], ["t4"]]


def test_what_is_deleted_is_gone_and_the_rest_stays(alice: Person, repository: str) -> None:
    registry = alice.registry
    digest = registry.push_image(repository, "one", b"a layer")
    registry.push_image(repository, "two", b"a layer")
    other = registry.push_image(repository, "other", b"another layer")

    registry.call("DELETE", repository, "manifests/one").expect(202)
    registry.call("GET", repository, "manifests/one").expect(404)
    registry.check_image(repository, "two")

    registry.call("DELETE", repository, f"manifests/{digest}").expect(202)
    registry.call("GET", repository, "manifests/two").expect(404)
    registry.call("GET", repository, f"manifests/{digest}").expect(404)
    registry.check_image(repository, other)


def test_an_index_needs_its_images(alice: Person, repository: str) -> None:
    image = alice.registry.push_image(repository, "one", b"a layer")
    index = b'{"schemaVersion": 2, "mediaType": "%s", "manifests": [{"mediaType": "%s", "digest": "%s", "size": 1}]}'
    kind = b"application/vnd.oci.image.manifest.v1+json"
    headers = {"Content-Type": OCI_INDEX}

    whole, broken = (index % (OCI_INDEX.encode(), kind, name.encode()) for name in (image, digest_of(b"absent")))

    alice.registry.call("PUT", repository, "manifests/whole", headers=headers, body=whole).expect(201)
    alice.registry.call("PUT", repository, "manifests/broken", headers=headers, body=broken).expect(400, 404)


def _pieces(content: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


def _send_and_die(registry: Registry, repository: str, path: str, content: bytes, sent: int) -> None:
    """Announce the whole content, send a part of it and reset the connection, as a client that is killed does."""
    parts = urlsplit(registry.url)
    authorization = registry.authorization(repository)["Authorization"]
    head = (
        f"PATCH {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: {authorization}\r\n"
        f"Content-Type: application/octet-stream\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    with socket.create_connection((parts.hostname or "", parts.port or 80)) as connection:
        connection.sendall(head.encode() + content[:sent])


def _kept(registry: Registry, repository: str, path: str) -> int:
    """How many bytes of a broken upload the registry has, once it has noticed."""
    sizes: list[int] = []

    def noticed() -> bool:
        reply = registry.call("GET", repository, registry.url + path).expect(204)
        sizes.append(int(reply.headers["Range"].partition("-")[2]) + 1)
        return sizes[-1] > 1

    wait_until(noticed, seconds=20, pause=0.1)
    return sizes[-1]
