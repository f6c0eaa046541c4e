"""Clients that send byte by byte, or stop, cannot hold what others need."""

import hashlib
import os
import re
import resource
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from cli.slots import WAITING
from cli.web_worker import HEAD_S, LINGER_QUIET_S
from tests.e2e.clients.registry import OCI_MANIFEST, Registry, digest_of, manifest_of
from tests.integration.serve.running import Serving, environ, running
from tests.services.process import wait_until

THREADS = 4
PATIENCE_S = 4
REPOSITORY = "admin/slow"
PAUSE_S = 0.2
CHUNKED = "Transfer-Encoding: chunked\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """One web process that works on few requests at once and has little patience."""
    settings = {"WEB_WORKERS": "1", "WEB_THREADS": str(THREADS), "BODY_PATIENCE_SEC": str(PATIENCE_S)}
    with running(tmp_path_factory.mktemp("slow") / "data", env=environ(BUILD_WORKERS="0", **settings)) as serving:
        serving.wait_until_ready()
        yield serving


@pytest.fixture
def registry(server: Serving) -> Registry:
    return Registry(server.url, ("admin", (server.data / "admin-password").read_text().strip()))


class Slow(threading.Thread):
    """A client that sends a request's beginning and then a drop five times a second, until it hears or is cut off."""

    def __init__(self, server: Serving, request: str, drop: bytes) -> None:
        super().__init__(daemon=True)
        self.answer = b""
        self.took_s = 0.0
        self.began = threading.Event()
        self._port = server.port
        self._request = request.encode()
        self._drop = drop
        self.start()

    def run(self) -> None:
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", self._port), timeout=PAUSE_S) as client, suppress(ConnectionError):
            client.sendall(self._request)
            self.began.set()
            while True:
                client.sendall(self._drop)
                try:
                    if not (received := client.recv(4096)):
                        break
                    self.answer += received
                except TimeoutError:
                    continue
        self.took_s = time.monotonic() - began

    def status(self) -> int:
        """Of the answer; 0 if there was none."""
        self.join(30)
        found = re.match(rb"HTTP/1.1 (\d+)", self.answer)
        return int(found[1]) if found else 0


def test_slow_clients_are_given_up_and_others_do_not_wait_for_them(server: Serving, registry: Registry) -> None:
    registry.put_blob(REPOSITORY, b"the repository is there")
    length = "Content-Length: 100000\r\n"
    uploads = [
        *(Slow(server, _patch(registry, length), b"x") for _ in range(THREADS)),
        *(Slow(server, _patch(registry, CHUNKED), b"1\r\nx\r\n") for _ in range(THREADS)),
        *(Slow(server, _patch(registry, length), b"") for _ in range(THREADS)),
    ]
    heads = [Slow(server, "POST /api/v1/organization/ HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"x") for _ in range(THREADS)]
    honest = threading.Thread(target=_push_with_pauses, args=(server, registry))
    honest.start()
    for one in (*uploads, *heads):
        assert one.began.wait(5)
    time.sleep(2)  # each of them has been found to be slow

    waits = [_seconds(lambda: registry.put_blob(REPOSITORY, os.urandom(100_000))) for _ in range(20)]
    assert all(one.is_alive() for one in uploads)
    assert max(waits) < 1

    assert {one.status() for one in uploads} == {400}
    assert all(PATIENCE_S - 1 < one.took_s < PATIENCE_S + 6 for one in uploads)
    assert {one.status() for one in heads} == {0}
    assert all(HEAD_S - 1 < one.took_s < HEAD_S + 5 for one in heads)
    honest.join(30)
    assert not honest.is_alive()


def test_clients_that_do_not_close_hold_up_nobody(server: Serving, registry: Registry) -> None:
    """Who was told that the connection is over may take its time to close it."""
    request = b"GET /health/instance HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with crowd(server, THREADS + WAITING + 10, request) as clients:
        assert _seconds(lambda: registry.put_blob(REPOSITORY, os.urandom(100_000))) < LINGER_QUIET_S * 0.75
        assert all(b" 200 " in client.recv(4096) for client in clients)


@pytest.mark.parametrize("before", [b"", b"GET /health/instance HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_more_beginnings_than_threads_hold_up_nobody(server: Serving, registry: Registry, before: bytes) -> None:
    """Nor those that come at once with a whole request."""
    registry.put_blob(REPOSITORY, b"the repository is there")
    with crowd(server, THREADS + WAITING + 10, before + b"GET /v2/ HTTP/1.1\r\nHost: x\r\nX-"):
        time.sleep(0.5)  # the whole ones are answered
        assert _seconds(lambda: registry.put_blob(REPOSITORY, os.urandom(100_000))) < 2


def test_a_head_in_pieces_is_a_request(server: Serving) -> None:
    head = b"GET /health/instance HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 6000 + b"\r\nConnection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
        for start in range(0, len(head), 1000):
            client.sendall(head[start : start + 1000])
            time.sleep(0.01)
        assert b" 200 " in client.recv(4096)


def test_a_client_that_tries_tls_first_is_refused_at_once(server: Serving) -> None:
    """As container tools do with a registry that they may speak plainly to."""
    context, began = ssl.create_default_context(), time.monotonic()
    with (
        socket.create_connection(("127.0.0.1", server.port), timeout=5) as client,
        suppress(ssl.SSLError, ConnectionError),
    ):
        context.wrap_socket(client, server_hostname="localhost")
    assert time.monotonic() - began < 2


def test_idle_connections_make_room_for_new_ones(server: Serving) -> None:
    with crowd(server, 1000 + WAITING + 10, b"") as idle:
        assert _seconds(lambda: server.get("/health/instance")) < 2
        assert {_ended(client) for client in idle[-500:]} == {False}
        wait_until(lambda: _ended(idle[0]), seconds=2)


def test_who_does_not_take_an_answer_is_given_up(server: Serving, registry: Registry) -> None:
    digest = registry.put_blob(REPOSITORY, os.urandom(8_000_000))
    request = _head(registry, "GET", f"{registry.url}/v2/{REPOSITORY}/blobs/{digest}", "")
    with crowd(server, 2, request.encode()) as (slow, stopped):
        until = time.monotonic() + PATIENCE_S + 6
        while not _ended(stopped):
            assert time.monotonic() < until
            slow.recv(10_000)
            time.sleep(PAUSE_S)
        assert not _ended(slow)
    with crowd(server, THREADS + WAITING, request.encode()):
        assert _seconds(lambda: registry.put_blob(REPOSITORY, os.urandom(100_000))) < PATIENCE_S


def test_a_refused_client_that_goes_on_sending_sees_why(server: Serving, registry: Registry) -> None:
    wrong = registry.start_upload(REPOSITORY) + "0"
    reply = registry.call("PATCH", REPOSITORY, wrong, body=os.urandom(8_000_000)).expect(404)
    assert reply.json["errors"][0]["code"] == "BLOB_UPLOAD_UNKNOWN"


@pytest.mark.parametrize("missing", [1, 50_000])
def test_a_body_shorter_than_announced_is_no_blob_and_can_be_resumed(
    server: Serving, registry: Registry, missing: int
) -> None:
    content = os.urandom(100_000)
    location = registry.start_upload(REPOSITORY)
    request = _head(registry, "PUT", _finishing(location, content), f"Content-Length: {len(content)}\r\n")
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(request.encode() + content[:-missing])
        client.shutdown(socket.SHUT_WR)
        assert b" 400 " in client.recv(4096)
    registry.call("HEAD", REPOSITORY, f"blobs/{digest_of(content)}").expect(404)
    kept = registry.call("GET", REPOSITORY, location).expect(204).headers["Range"]
    assert kept == f"0-{len(content) - missing - 1}"
    registry.call("PUT", REPOSITORY, _finishing(location, content), body=content[-missing:]).expect(201)
    assert registry.get_blob(REPOSITORY, digest_of(content)) == content


@pytest.mark.parametrize("size", [10, 100_000])
@pytest.mark.parametrize("framing", ["length", "no last chunk", "half a chunk", "half an end", "bad size"])
def test_a_manifest_that_ends_early_is_none(server: Serving, registry: Registry, framing: str, size: int) -> None:
    """Even if what came of it is one: the client meant another."""
    config = b"{}"
    registry.put_blob(REPOSITORY, config)
    content = manifest_of(config, note="x" * size)
    length, piece = len(content), b"%x\r\n" % len(content) + content
    header, body = {
        "length": (f"Content-Length: {length + 1}\r\n", content),
        "no last chunk": (CHUNKED, piece + b"\r\n"),
        "half a chunk": (CHUNKED, b"%x\r\n" % (length + 1) + content),
        "half an end": (CHUNKED, piece + b"\r\n0\r\n"),
        "bad size": (CHUNKED, piece + b"\r\n-1\r\n"),
    }[framing]
    url = f"{registry.url}/v2/{REPOSITORY}/manifests/early"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(_head(registry, "PUT", url, f"Content-Type: {OCI_MANIFEST}\r\n{header}").encode() + body)
        client.shutdown(socket.SHUT_WR)
        answer = _all(client)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"MANIFEST_INVALID" in answer
    registry.call("GET", REPOSITORY, "manifests/early").expect(404)


def test_bytes_beyond_the_announced_ones_belong_to_no_blob(server: Serving, registry: Registry) -> None:
    content = os.urandom(1000)
    location = registry.start_upload(REPOSITORY)
    request = _head(registry, "PUT", _finishing(location, content), f"Content-Length: {len(content)}\r\n")
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(request.encode() + content + b"and more that is no request\r\n\r\n")
        answer = _all(client)
    assert answer.startswith(b"HTTP/1.1 201 ")
    assert b"HTTP/1.1 400 " in answer  # to the rest, and then the connection ends
    assert registry.get_blob(REPOSITORY, digest_of(content)) == content


@contextmanager
def crowd(server: Serving, number: int, begin: bytes) -> Iterator[list[socket.socket]]:
    """So many connections with little room for answers that have all sent the same."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, number + 500)), hard))
    with ExitStack() as stack:
        clients = [stack.enter_context(socket.socket()) for _ in range(number)]
        for client in clients:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(10)
            client.connect(("127.0.0.1", server.port))
            client.sendall(begin)
        yield clients
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _all(client: socket.socket) -> bytes:
    """What comes until the server ends the connection."""
    answer = b""
    while received := client.recv(4096):
        answer += received
    return answer


def _ended(client: socket.socket) -> bool:
    """Whether the server has ended the connection, whatever it has sent before."""
    poll = select.poll()
    poll.register(client, select.POLLRDHUP)
    return bool(poll.poll(0))


def _push_with_pauses(server: Serving, registry: Registry) -> None:
    """An honest client on a bad line: pauses of most of the patience, and longer in all."""
    content = os.urandom(60_000)
    location = registry.start_upload(REPOSITORY)
    request = _head(registry, "PUT", _finishing(location, content), f"Content-Length: {len(content)}\r\n")
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as client:
        client.sendall(request.encode())
        for start in range(0, len(content), 20_000):
            time.sleep(PATIENCE_S * 0.7)
            client.sendall(content[start : start + 20_000])
        assert b" 201 " in client.recv(4096)
    wait_until(lambda: registry.get_blob(REPOSITORY, digest_of(content)) == content, seconds=5)


def _patch(registry: Registry, header: str) -> str:
    return _head(registry, "PATCH", registry.start_upload(REPOSITORY), header)


def _head(registry: Registry, method: str, url: str, header: str) -> str:
    authorization = registry.authorization(REPOSITORY)["Authorization"]
    path = url.removeprefix(registry.url)
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization}\r\n{header}\r\n"


def _finishing(location: str, content: bytes) -> str:
    return f"{location}?digest=sha256:{hashlib.sha256(content).hexdigest()}"


def _seconds(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began
