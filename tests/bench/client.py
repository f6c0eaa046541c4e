"""A client that costs little itself: connections are kept, large bodies never pass through Python objects."""

import base64
import hashlib
import http.client
import json
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.message import Message
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit

from tests.bench.peers import Peer

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_OCTETS = {"Content-Type": "application/octet-stream"}
_TIMEOUT_S = 300
_TOKEN_S = 240


class Answer(NamedTuple):
    """What came back, read to its end."""

    status: int
    headers: Message
    body: bytes


class Refused(Exception):
    """A registry did not do what all of them should."""


class Client:
    """Talks to one peer about its repository; threads have a connection each."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self._address = urlsplit(peer.url)
        self._own = threading.local()
        self._lock = threading.Lock()
        self._headers: dict[str, str] = {}
        self._fetched_at = float("-inf")

    @property
    def authorization(self) -> dict[str, str]:
        """The header that opens the repository; asked for again before it expires."""
        with self._lock:
            if self.peer.login and time.monotonic() - self._fetched_at > _TOKEN_S:
                self._headers = {"Authorization": f"Bearer {_token(self.peer)}"}
                self._fetched_at = time.monotonic()
            return self._headers

    def path(self, rest: str) -> str:
        return f"/v2/{self.peer.repository}/{rest}"

    def call(
        self, method: str, path: str, wanted: int, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request; Refused unless it is answered with the wanted status."""
        connection = self._connection()
        connection.request(method, path, body=body, headers={**self.authorization, **(headers or {})})
        response = connection.getresponse()
        answer = Answer(response.status, response.headers, response.read())
        if answer.status != wanted:
            raise Refused(f"{self.peer.name}: {method} {path} → {answer.status} {answer.body[:300]!r}")
        return answer

    def put_blob(self, content: bytes) -> str:
        """Push a blob; its digest."""
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self.call("PUT", _closing(self._begin(), digest), 201, body=content, headers=_OCTETS)
        return digest

    def put_file(self, file: Path, digest: str) -> None:
        """Push a large blob as docker does: a PATCH with all of it, and a PUT."""
        connection = self._connection()
        connection.putrequest("PATCH", self._begin(), skip_accept_encoding=True)
        headers = {**self.authorization, **_OCTETS, "Content-Length": str(file.stat().st_size)}
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        with file.open("rb") as content:
            connection.sock.sendfile(content)
        response = connection.getresponse()
        told = response.read()
        if response.status != 202:
            raise Refused(f"{self.peer.name}: PATCH → {response.status} {told[:300]!r}")
        self.call("PUT", _closing(_path(response.headers["Location"]), digest), 201)

    def read_blob(self, digest: str) -> int:
        """Pull a large blob and drop it; its size."""
        connection = self._connection()
        connection.request("GET", self.path(f"blobs/{digest}"), headers=self.authorization)
        response = connection.getresponse()
        if response.status == 307:
            response.read()
            with urllib.request.urlopen(response.headers["Location"], timeout=_TIMEOUT_S) as elsewhere:
                return drain(elsewhere)
        if response.status != 200:
            raise Refused(f"{self.peer.name}: GET of a blob → {response.status} {response.read(300)!r}")
        return drain(response)

    def put_manifest(self, tag: str, content: bytes) -> None:
        """Push a manifest under a tag."""
        self.call("PUT", self.path(f"manifests/{tag}"), 201, body=content, headers={"Content-Type": MANIFEST})

    def _begin(self) -> str:
        return _path(self.call("POST", self.path("blobs/uploads/"), 202).headers["Location"])

    def _connection(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection | None = getattr(self._own, "connection", None)
        if connection is None:
            host, port = self._address.hostname or "", self._address.port
            connection = self._own.connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
        return connection


def drain(response: Any) -> int:
    """Read a large answer and drop it; its size."""
    size, buffer = 0, bytearray(1 << 20)
    while got := response.readinto(buffer):
        size += got
    return size


def _path(location: str) -> str:
    parts = urlsplit(location)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _closing(path: str, digest: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}digest={quote(digest)}"


def _token(peer: Peer) -> str:
    """A token for pulls from and pushes to the repository, from where the registry's challenge points."""
    try:
        urllib.request.urlopen(f"{peer.url}/v2/", timeout=_TIMEOUT_S).close()
    except urllib.error.HTTPError as refusal:
        challenge = dict(re.findall(r'(\w+)="([^"]*)"', refusal.headers["WWW-Authenticate"]))
        refusal.close()
    else:
        raise Refused(f"{peer.name} asks nobody for a token")
    query = urlencode({"service": challenge["service"], "scope": f"repository:{peer.repository}:pull,push"})
    basic = base64.b64encode(":".join(peer.login or ()).encode()).decode()
    request = urllib.request.Request(f"{challenge['realm']}?{query}", headers={"Authorization": f"Basic {basic}"})
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
        return str(json.load(answer)["token"])
