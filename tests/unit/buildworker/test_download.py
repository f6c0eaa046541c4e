import hashlib
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from buildworker.download import download
from buildworker.outbound import Outbound
from buildworker.watch import Cancelled
from models.errors import Invalid, Upstream
from tests.unit.buildworker.conftest import Server, reply

Serve = Callable[..., Server]


@pytest.fixture
def outbound() -> Outbound:
    return Outbound(["127.0.0.1"])


def test_a_file_is_stored_with_its_digest(serve: Serve, outbound: Outbound, tmp_path: Path) -> None:
    content = bytes(range(256)) * 2000
    server = serve(reply(content))
    got = download(outbound, f"{server.url}/a.tgz", tmp_path / "a", max_bytes=1 << 20, max_seconds=10)
    assert got.path.read_bytes() == content
    assert (got.size, got.sha256) == (len(content), hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize("status", ["404 Not Found", "500 Oops", "304 Not Modified", "401 Unauthorized"])
def test_another_status_is_named(serve: Serve, outbound: Outbound, tmp_path: Path, status: str) -> None:
    server = serve(reply(b"gone", status=status))
    with pytest.raises(Upstream, match=f"archive_url: the server answered with status {status[:3]}"):
        download(outbound, server.url, tmp_path / "a", max_bytes=100, max_seconds=10)


def test_a_compression_that_was_not_asked_for_is_refused(serve: Serve, outbound: Outbound, tmp_path: Path) -> None:
    server = serve(reply(b"x", Content_Encoding="br"))
    with pytest.raises(Upstream, match="compressed the file with 'br'"):
        download(outbound, server.url, tmp_path / "a", max_bytes=100, max_seconds=10)


def test_a_file_too_large_leaves_nothing_behind(serve: Serve, outbound: Outbound, tmp_path: Path) -> None:
    server = serve(lambda connection, _: connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 200_000))
    with pytest.raises(Invalid, match="larger than the limit of 100K"):
        download(outbound, server.url, tmp_path / "a", max_bytes=100 * 1024, max_seconds=10)
    assert list(tmp_path.iterdir()) == []


def test_the_time_is_limited_as_a_whole(serve: Serve, outbound: Outbound, tmp_path: Path) -> None:
    def drip(connection: socket.socket, head: bytes) -> None:
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
        for _ in head * 2:
            connection.sendall(b"x")
            time.sleep(0.05)

    server = serve(drip)
    with pytest.raises(Upstream, match="took too long"):
        download(outbound, server.url, tmp_path / "a", max_bytes=1000, max_seconds=0.25)


def test_a_cancel_is_noticed_while_the_server_is_silent(serve: Serve, outbound: Outbound, tmp_path: Path) -> None:
    hung_up = threading.Event()

    def silent(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
        if connection.recv(1) == b"":
            hung_up.set()

    server = serve(silent)
    begun = time.monotonic()
    with pytest.raises(Cancelled):
        download(
            outbound,
            server.url,
            tmp_path / "a",
            max_bytes=1000,
            max_seconds=60,
            cancelled=lambda: time.monotonic() - begun > 0.3,
        )
    assert time.monotonic() - begun < 1.3
    assert hung_up.wait(2)
