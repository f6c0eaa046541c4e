"""Requests on kept-alive connections, however their bytes arrive: what goes the short way and what does not."""

import hashlib
import http.client
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from cli.web_worker import BODY_S
from registry.manifest_format import OCI_MANIFEST
from tests.integration.serve.running import Serving
from tests.services.process import wait_until


@dataclass
class Client:
    """A connection that has been answered before, and what opens `admin/app` to it."""

    server: Serving
    token: str
    sock: socket.socket

    def head(self, method: str, path: str, *lines: str) -> bytes:
        own = ("Host: localhost", f"Authorization: Bearer {self.token}", *lines)
        return "\r\n".join((f"{method} /v2/{path} HTTP/1.1", *own, "", "")).encode()

    def put(self, data: bytes, name: str = "admin/app") -> tuple[bytes, bytes]:
        """Head and body of a request that finishes an upload, which this begins."""
        self.sock.sendall(self.head("POST", f"{name}/blobs/uploads/", "Content-Length: 0"))
        place = self.answer(202).headers["Location"].removeprefix("/v2/")
        query = f"?digest=sha256:{hashlib.sha256(data).hexdigest()}"
        return self.head("PUT", place + query, f"Content-Length: {len(data)}"), data

    def makefile(self, mode: str) -> socket.SocketIO:
        """A file that takes no byte of the next answer."""
        return self.sock.makefile(mode, buffering=0)  # type: ignore[call-overload, no-any-return]  # "rb", always

    def answer(self, status: int) -> http.client.HTTPResponse:
        response = http.client.HTTPResponse(self)  # type: ignore[arg-type]  # only makefile is asked for
        response.begin()
        body = response.read()
        assert response.status == status, body
        return response


def token(server: Serving) -> str:
    password = (server.data / "admin-password").read_text().strip()
    asked = {"service": f"localhost:{server.port}", "scope": "repository:admin/app:pull,push"}
    return str(server.get("/v2/auth", params=asked, auth=("admin", password)).json()["token"])


def connect(server: Serving, token: str) -> Client:
    client = Client(server, token, socket.create_connection(("127.0.0.1", server.port), timeout=10))
    client.sock.sendall(client.head("POST", "admin/app/blobs/uploads/", "Content-Length: 0"))
    client.answer(202)
    return client


@pytest.fixture
def client(server: Serving) -> Iterator[Client]:
    found = connect(server, token(server))
    yield found
    found.sock.close()


def is_there(client: Client, data: bytes) -> bool:
    digest = hashlib.sha256(data).hexdigest()
    headers = {"Authorization": f"Bearer {client.token}"}
    return client.server.get(f"/v2/admin/app/blobs/sha256:{digest}", headers=headers).content == data


@pytest.mark.parametrize("pieces", [1, 2, 7])
def test_a_blob_comes_in_pieces(client: Client, pieces: int) -> None:
    data = f"in {pieces} pieces".encode() * 1000
    head, body = client.put(data)
    everything = head + body
    size = len(everything) // pieces + 1
    for start in range(0, len(everything), size):
        client.sock.sendall(everything[start : start + size])
    client.answer(201)
    assert is_there(client, data)


def test_a_body_that_pauses_is_waited_for(client: Client) -> None:
    head, body = client.put(b"slow " * 100)
    client.sock.sendall(head + body[:10])
    client.sock.settimeout(BODY_S + 2)  # the main thread has given the request away by then
    with pytest.raises(TimeoutError):
        client.sock.recv(1)
    client.sock.sendall(body[10:])
    client.answer(201)
    assert is_there(client, body)


def test_a_client_that_goes_away_in_the_middle_leaves_nothing(client: Client) -> None:
    head, body = client.put(b"never complete")
    client.sock.sendall(head + body[:5])
    client.sock.shutdown(socket.SHUT_WR)
    client.answer(400)
    assert not is_there(client, body)


def test_requests_behind_each_other_are_answered_in_turn(client: Client) -> None:
    puts = [client.put(f"pipelined {number}".encode()) for number in range(3)]
    asked = client.head("GET", "admin/app/tags/list")
    client.sock.sendall(b"".join(head + body + asked for head, body in puts))
    for _, body in puts:
        client.answer(201)
        client.answer(200)
        assert is_there(client, body)


def test_what_the_short_way_refuses_the_views_explain(client: Client) -> None:
    head, body = client.put(b"right")
    client.sock.sendall(head + b"wrong")
    client.answer(400)
    manifest = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST}).encode()
    lines = (f"Content-Type: {OCI_MANIFEST}", f"Content-Length: {len(manifest)}")
    client.sock.sendall(client.head("PUT", "admin/app/manifests/v1", *lines) + manifest)
    client.answer(400)
    client.sock.sendall(head + body)
    client.answer(201)  # the refusals cost neither the upload nor the connection
    client.server.wait_for_line("request", "method=PUT path=/v2/admin/app/manifests/v1 status=400")


def test_many_clients_push_the_same_things_at_once(server: Serving) -> None:
    opened = token(server)
    config = b'{"architecture": "amd64"}'

    def push(number: int) -> str:
        client = connect(server, opened)
        for data in (config, b"layer %d" % (number % 4)):
            head, body = client.put(data)
            client.sock.sendall(head + body)
            client.answer(201)
        layer = b"layer %d" % (number % 4)
        described = [
            {"mediaType": kind, "digest": f"sha256:{hashlib.sha256(data).hexdigest()}", "size": len(data)}
            for kind, data in (
                ("application/vnd.oci.image.config.v1+json", config),
                ("application/vnd.oci.image.layer.v1.tar", layer),
            )
        ]
        document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": described[0], "layers": described[1:]}
        manifest = json.dumps(document).encode()
        lines = (f"Content-Type: {OCI_MANIFEST}", f"Content-Length: {len(manifest)}")
        for _ in range(5):
            client.sock.sendall(client.head("PUT", "admin/app/manifests/latest", *lines) + manifest)
            client.answer(201)
        client.sock.close()
        return f"sha256:{hashlib.sha256(manifest).hexdigest()}"

    with ThreadPoolExecutor(12) as pool:
        digests = set(pool.map(push, range(12)))
    headers = {"Authorization": f"Bearer {opened}", "Accept": OCI_MANIFEST}
    found = server.get("/v2/admin/app/manifests/latest", headers=headers)
    assert found.headers["Docker-Content-Digest"] in digests
    for digest in digests:
        assert server.get(f"/v2/admin/app/manifests/{digest}", headers=headers).status_code == 200
    wait_until(lambda: "Traceback" not in server.said(), seconds=1)


def test_the_first_request_of_a_connection_goes_the_short_way(server: Serving, client: Client) -> None:
    def is_short(*lines: str) -> bool:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(client.head("GET", "admin/app/tags/list", *lines))
            answer = Client(server, client.token, connection).answer(200)
        return answer.headers["Server"] is None  # which gunicorn's own answers have

    wait_until(is_short, seconds=10)  # each process has the token checked once
    assert not is_short("Range: bytes=0-1")


def test_a_connection_that_says_nothing_keeps_nobody_waiting(server: Serving, client: Client) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as silent:
        silent.sendall(client.head("GET", "")[:20])
        client.sock.sendall(client.head("GET", ""))
        client.answer(200)
        silent.sendall(client.head("GET", "")[20:])
        Client(server, client.token, silent).answer(200)
