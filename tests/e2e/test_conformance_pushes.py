"""The conformance suite's longer conversations: every way to push, in and out of order, with either algorithm.

The client knows no scopes: it asks for what it is challenged for, and keeps one token to read and one to write with.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote, urljoin, urlsplit

import pytest

from tests.e2e.clients.http import Reply, call
from tests.e2e.clients.people import Person
from tests.e2e.clients.registry import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST

OCTETS = {"Content-Type": "application/octet-stream"}
ALGORITHMS = ["sha256", "sha512"]
LEAST_CHUNK = 1024


class Challenged:
    """Talks to one repository, and learns from each 401 what to ask for."""

    def __init__(self, person: Person, repository: str) -> None:
        self._person = person
        self._tokens: dict[str, str] = {}
        self.root = f"{person.registry.url}/v2/{repository}/"

    def call(self, method: str, path: str, *, body: bytes | Iterator[bytes] | None = None, **headers: str) -> Reply:
        """Of an iterator, nothing is announced; the first request for a kind of token sends none of it."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        kind = "read" if method in {"GET", "HEAD"} else method if method == "DELETE" else "write"
        url = urljoin(self.root, path)
        if kind in self._tokens:
            given["Authorization"] = self._tokens[kind]
        reply = call(method, url, headers=given, body=body, follow=method == "GET")
        if reply.status == 401:
            given["Authorization"] = self._tokens[kind] = self._asked(reply)
            reply = call(method, url, headers=given, body=body, follow=method == "GET")
        return reply

    def _asked(self, reply: Reply) -> str:
        parts = dict(re.findall(r'(\w+)="([^"]+)"', reply.headers["WWW-Authenticate"]))
        query = f"service={quote(parts['service'])}&scope={quote(parts['scope'])}"
        token = call("GET", f"{parts['realm']}?{query}", headers=self._person.registry.credentials()).expect(200).json
        return f"Bearer {token['token']}"

    def begin(self) -> tuple[str, int]:
        """Where a new upload goes on, and how large its chunks should be at least."""
        begun = self.call("POST", "blobs/uploads/", body=b"").expect(202)
        return begun.headers["Location"], int(begun.headers["OCI-Chunk-Min-Length"] or LEAST_CHUNK)


class Way(NamedTuple):
    """How a blob is pushed. `last_by_put`: with its last bytes; `astray`: each chunk is sent to a wrong place first."""

    chunked: bool = False
    last_by_put: bool = False
    astray: bool = False

    def push(self, client: Challenged, content: bytes, digest: str) -> Reply:
        """The answer to the last request."""
        where, least = client.begin()
        if not self.chunked:
            return client.call("PUT", _closing(where, digest), body=content, **OCTETS)
        size = max(len(content) // 3 + 1, least)
        for start in range(0, len(content), size):
            stop = min(start + size, len(content))
            if self.astray:
                where = self._miss(client, where, content, digest, slice(start, start + size))
            if self.last_by_put and stop == len(content):
                return _send(client, "PUT", _closing(where, digest), content, slice(start, stop))
            sent = _send(client, "PATCH", where, content, slice(start, stop)).expect(202)
            assert sent.headers["Range"] == f"0-{stop - 1}"
            where = sent.headers["Location"]
        return client.call("PUT", _closing(where, digest), body=b"", **OCTETS)

    def _miss(self, client: Challenged, where: str, content: bytes, digest: str, due: slice) -> str:
        """Send a chunk that is not the next one, and ask where the upload goes on."""
        wrong = due.stop if due.stop < len(content) else 0
        stop = min(wrong + due.stop - due.start, len(content))
        by_put = self.last_by_put and stop == len(content)
        place = _closing(where, digest) if by_put else where
        _send(client, "PUT" if by_put else "PATCH", place, content, slice(wrong, stop)).expect(416)
        status = client.call("GET", place).expect(204)
        assert status.headers["Range"] == f"0-{max(due.start - 1, 0)}"
        return status.headers["Location"]


WAYS = {
    "at once": Way(),
    "chunks": Way(chunked=True),
    "chunks, the last by PUT": Way(chunked=True, last_by_put=True),
    "chunks astray": Way(chunked=True, astray=True),
    "chunks astray, the last by PUT": Way(chunked=True, last_by_put=True, astray=True),
}


@pytest.fixture
def client(alice: Person, repository: str) -> Challenged:
    return Challenged(alice, repository)


def digest_by(algorithm: str, content: bytes) -> str:
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("way", WAYS)
def test_a_blob_is_pushed_pulled_and_deleted(client: Challenged, algorithm: str, way: str) -> None:
    content = os.urandom(3 * client.begin()[1] - 5)
    digest = digest_by(algorithm, content)

    pushed = WAYS[way].push(client, content, digest).expect(201)

    assert pushed.headers["Docker-Content-Digest"] == digest
    assert client.call("GET", pushed.headers["Location"]).expect(200).body == content
    assert client.call("HEAD", f"blobs/{digest}").expect(200).headers["Content-Length"] == str(len(content))
    client.call("DELETE", f"blobs/{digest}").expect(202)
    client.call("HEAD", f"blobs/{digest}").expect(404)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("way", ["at once", "chunks", "chunks, the last by PUT"])
def test_other_bytes_than_the_digest_says_are_refused(client: Challenged, algorithm: str, way: str) -> None:
    content = os.urandom(3 * client.begin()[1] - 5)
    digest = digest_by(algorithm, content)
    refused = WAYS[way].push(client, content + b"more", digest).expect(400)
    assert refused.json["errors"][0]["code"] == "DIGEST_INVALID"
    client.call("HEAD", f"blobs/{digest}").expect(404)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_image_of_two_platforms_comes_and_goes(client: Challenged, algorithm: str) -> None:
    """Manifests without an announced length, tags beside the digest, deleted from the top."""
    blobs, images = {}, {}
    for architecture in ("amd64", "arm64"):
        config, layer = json.dumps({"architecture": architecture, "os": "linux"}).encode(), os.urandom(100)
        for content in (config, layer):
            blobs[digest_by(algorithm, content)] = content
            client.call("POST", f"blobs/uploads/?digest={quote(digest_by(algorithm, content))}", body=content, **OCTETS)
        parts = [
            {"mediaType": OCI_CONFIG, "digest": digest_by(algorithm, each), "size": len(each)}
            for each in (config, layer)
        ]
        images[architecture] = _manifest(OCI_MANIFEST, config=parts[0], layers=parts[1:])
    entries = [
        {"mediaType": OCI_MANIFEST, "digest": digest_by(algorithm, image), "size": len(image)}
        for image in images.values()
    ]
    index = _manifest(OCI_INDEX, manifests=entries)
    manifests = {digest_by(algorithm, each): each for each in (*images.values(), index)}

    for number, (digest, content) in enumerate(manifests.items()):
        kind = json.loads(content)["mediaType"]
        client.call("HEAD", f"manifests/{digest}").expect(404)
        put = client.call(
            "PUT", f"manifests/{digest}?tag=t{number}&tag=u{number}", body=iter([content]), Content_Type=kind
        )
        assert put.expect(201).headers["OCI-Tag"] == f"t{number}, u{number}"
        assert put.headers["Docker-Content-Digest"] == digest
        assert urlsplit(put.headers["Location"]).path.endswith(f"/manifests/{digest}")
        for reference in (digest, f"t{number}", f"u{number}"):
            got = client.call("GET", f"manifests/{reference}", Accept=kind).expect(200)
            assert (got.body, got.headers["Content-Type"]) == (content, kind)

    assert client.call("GET", "tags/list?last=t2").expect(200).json["tags"] == ["u0", "u1", "u2"]
    for reference in ("t0", "u0", "t1", "u1", "t2", "u2", *reversed(manifests)):
        client.call("DELETE", f"manifests/{reference}").expect(202)
        client.call("HEAD", f"manifests/{reference}").expect(404)
    for digest in blobs:
        client.call("DELETE", f"blobs/{digest}").expect(202)
        client.call("HEAD", f"blobs/{digest}").expect(404)


@pytest.mark.parametrize("asked", ["bytes=500-0", "bytes=5000-10000", "bytes=-0"])
def test_a_range_of_nothing_is_refused_wherever_blobs_are(client: Challenged, asked: str) -> None:
    digest = digest_by("sha256", content := os.urandom(2048))
    WAYS["at once"].push(client, content, digest).expect(201)
    client.call("GET", f"blobs/{digest}", Range=asked).expect(416)


def test_a_mount_needs_no_token_for_where_the_blob_is(client: Challenged, alice: Person) -> None:
    """One asked for by the repository that gets it is enough, if its holder may read the other."""
    digest = digest_by("sha256", content := os.urandom(100))
    WAYS["at once"].push(client, content, digest).expect(201)
    origin = urlsplit(client.root).path.removeprefix("/v2/").rstrip("/")
    other = Challenged(alice, f"{origin}-other")
    mounted = other.call(
        "POST", f"blobs/uploads/?from={quote(origin, safe='')}&mount={quote(digest, safe='')}", body=b""
    )
    assert other.call("GET", mounted.expect(201).headers["Location"]).expect(200).body == content


def _manifest(kind: str, **rest: Any) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": kind, **rest}).encode()


def _closing(where: str, digest: str) -> str:
    return f"{where}?digest={quote(digest, safe='')}"


def _send(client: Challenged, method: str, where: str, content: bytes, part: slice) -> Reply:
    return client.call(method, where, body=content[part], Content_Range=f"{part.start}-{part.stop - 1}", **OCTETS)
