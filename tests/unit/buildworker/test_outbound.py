import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from buildworker.exchange import Response
from buildworker.outbound import Outbound
from models.errors import Invalid, Upstream
from tests.unit.buildworker.conftest import Server, reply

Serve = Callable[..., Server]


def get(outbound: Outbound, url: str, *, seconds: float = 10, limit: int = 1 << 20, **more: object) -> Response:
    deadline = time.monotonic() + seconds
    return outbound.get(url, max_bytes=limit, timeout_s=5, deadline=deadline, subject="archive_url", **more)  # type: ignore[arg-type]


def body(outbound: Outbound, url: str, **more: object) -> bytes:
    with get(outbound, url, **more) as response:  # type: ignore[arg-type]
        return b"".join(response.blocks())


@pytest.fixture
def outbound() -> Outbound:
    return Outbound(["127.0.0.0/8", "localhost"])


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/x",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "//example.com/x",
        "example.com/x",
        "http://",
        "http:///x",
        "http://1.1.1.1:0/",
        "http://1.1.1.1:70000/",
        "http://1.1.1.1:x/",
        "http://user:secret@1.1.1.1/",
        "http://1.1.1.1@127.0.0.1/",
        "http://1.1.1.1\\@127.0.0.1/",
        "http://1.1.1.1/a b",
        "http://1.1.1.1/a\r\nHost: x",
        "http://1.1.1.1/\x00",
        "http://exa%6dple.com/",
        "http://a..b/",
        "http://[::1%25lo]/",
        "http://[fe80::1",
        "http://1.1.1.1/" + "a" * 9000,
    ],
)
def test_an_address_of_another_form_is_refused(url: str) -> None:
    with pytest.raises(Invalid, match="archive_url: ") as refused:
        Outbound([]).resolve(url, subject="archive_url")
    assert "secret" not in refused.value.detail


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "0", "169.254.169.254", "10.0.0.1"),
        *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]"),
    ],
)
def test_however_a_private_address_is_written_it_is_refused(host: str) -> None:
    with pytest.raises(Invalid, match="OUTBOUND_ALLOWED_PRIVATE_HOSTS"):
        Outbound([]).resolve(f"http://{host}:8080/x", subject="archive_url")


def test_the_refusal_says_what_to_do() -> None:
    with pytest.raises(Invalid) as refused:
        Outbound([]).resolve("http://127.0.0.1/x", subject="archive_url")
    told = "archive_url: 127.0.0.1 is a loopback address; an administrator can allow it with "
    assert refused.value.detail == told + "OUTBOUND_ALLOWED_PRIVATE_HOSTS"


def test_a_public_address_passes_with_its_path_and_query() -> None:
    target = Outbound([]).resolve("HTTP://1.1.1.1/a/é b".replace(" b", "?x=ü&y=%20#part"))
    assert (target.scheme, target.netloc, target.addresses) == ("http", "1.1.1.1", ("1.1.1.1",))
    assert target.path == "/a/%C3%A9?x=%C3%BC&y=%20"


def test_an_unknown_host_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(Upstream, match=r"no address is known for the host nosuch\.invalid"):
        Outbound([]).resolve("http://nosuch.invalid/")


def test_the_body_arrives_as_it_was_sent(serve: Serve, outbound: Outbound) -> None:
    server = serve(reply(b"\x1f\x8b raw", Content_Encoding="gzip"))
    assert body(outbound, f"{server.url}/p?q=1") == b"\x1f\x8b raw"
    head = server.requests[0].decode()
    assert head.startswith("GET /p?q=1 HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{server.port}\r\n" in head
    assert "Accept-Encoding: identity\r\n" in head


def test_chunks_are_put_together(serve: Serve, outbound: Outbound) -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    server = serve(lambda connection, _: connection.sendall(answer))
    assert body(outbound, server.url) == b"abcde"


def test_a_redirect_is_followed_and_checked(serve: Serve, outbound: Outbound) -> None:
    last = serve(reply(b"there"))
    first = serve(reply(status="302 Found", Location=f"{last.url}/moved"))
    with get(outbound, first.url) as response:
        assert response.url == f"{last.url}/moved"
        assert b"".join(response.blocks()) == b"there"


def test_a_relative_redirect_stays_on_the_host(serve: Serve, outbound: Outbound) -> None:
    def script(connection: socket.socket, head: bytes) -> None:
        moved = reply(status="307 Temporary Redirect", Location="../b?c=1")
        (moved if head.startswith(b"GET /a/") else reply(b"b"))(connection, head)

    server = serve(script)
    assert body(outbound, f"{server.url}/a/x") == b"b"
    assert server.requests[1].startswith(b"GET /b?c=1 ")


@pytest.mark.parametrize("location", ["http://169.254.169.254/latest", "http://10.0.0.1/", "file:///etc/passwd"])
def test_a_redirect_to_where_nobody_may_go_is_refused(serve: Serve, outbound: Outbound, location: str) -> None:
    server = serve(reply(status="301 Moved", Location=location))
    with pytest.raises(Invalid, match="redirected by 127"):
        get(outbound, server.url)


def test_redirects_come_to_an_end(serve: Serve, outbound: Outbound) -> None:
    server = serve(reply(status="302 Found", Location="/again"))
    with pytest.raises(Upstream, match="redirects more than 5 times"):
        get(outbound, server.url)
    assert len(server.requests) == 6


def test_credentials_stay_behind_when_a_redirect_leaves_the_host(serve: Serve, outbound: Outbound) -> None:
    last = serve(reply(b""))
    first = serve(reply(status="302 Found", Location=f"http://localhost:{last.port}/"))
    sent = {"Authorization": "Bearer t", "X-Other": "1"}
    body(outbound, first.url, headers=sent)
    assert b"Authorization: Bearer t" in first.requests[0]
    assert b"Authorization" not in last.requests[0]
    assert b"X-Other: 1" in last.requests[0]


def test_credentials_go_along_on_the_same_host(serve: Serve, outbound: Outbound) -> None:
    def script(connection: socket.socket, head: bytes) -> None:
        (reply(status="302 Found", Location="/b") if head.startswith(b"GET /a") else reply())(connection, head)

    server = serve(script)
    body(outbound, f"{server.url}/a", headers={"Authorization": "Bearer t"})
    assert b"Authorization: Bearer t" in server.requests[1]


def test_the_environment_decides_nothing(serve: Serve, outbound: Outbound, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy, server = serve(reply(b"proxy")), serve(reply(b"server"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    assert body(outbound, server.url) == b"server"
    assert proxy.requests == []


def test_a_name_is_looked_up_once_and_the_checked_address_used(
    serve: Serve, outbound: Outbound, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(reply(b"here"))
    looked_up = []
    look_up = socket.getaddrinfo

    def count(host: str, *args: object, **more: object) -> object:
        looked_up.append(host)
        return look_up(host, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", count)
    assert body(outbound, f"http://localhost:{server.port}/") == b"here"
    assert [host for host in looked_up if host == "localhost"] == ["localhost"]
    assert f"Host: localhost:{server.port}".encode() in server.requests[0]


def test_a_declared_size_over_the_limit_is_refused_at_once(serve: Serve, outbound: Outbound) -> None:
    server = serve(reply(b"", Content_Length="99999"))
    with pytest.raises(Invalid, match="archive_url: the file is larger than the limit of 1K bytes"):
        body(outbound, server.url, limit=1024)


def test_an_undeclared_size_over_the_limit_is_refused(serve: Serve, outbound: Outbound) -> None:
    server = serve(lambda connection, _: connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 5000))
    with pytest.raises(Invalid, match="larger than the limit of 1K"):
        body(outbound, server.url, limit=1024)


def test_a_body_that_breaks_off_is_told(serve: Serve, outbound: Outbound) -> None:
    server = serve(lambda connection, _: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"))
    with pytest.raises(Upstream, match="before the file was complete"):
        body(outbound, server.url)


def test_a_chunk_that_breaks_off_is_told(serve: Serve, outbound: Outbound) -> None:
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc"
    server = serve(lambda connection, _: connection.sendall(answer))
    with pytest.raises(Upstream, match="before the file was complete"):
        body(outbound, server.url)


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH\r\n", b"\x00\x01", b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 500])
def test_what_is_not_http_is_told(serve: Serve, outbound: Outbound, answer: bytes) -> None:
    server = serve(lambda connection, _: connection.sendall(answer + b"\r\n"))
    with pytest.raises(Upstream, match="does not speak HTTP"):
        get(outbound, server.url)


def test_nobody_listening_is_told(serve: Serve, outbound: Outbound) -> None:
    server = serve(reply())
    server.close()
    with pytest.raises(Upstream, match=rf"archive_url: 127\.0\.0\.1:{server.port} refuses connections"):
        get(outbound, server.url)


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.0 200 OK\r\n\r\n"])
def test_a_slow_drip_ends_at_the_deadline(serve: Serve, outbound: Outbound, start: bytes) -> None:
    def drip(connection: socket.socket, head: bytes) -> None:
        connection.sendall(start)
        for _ in head * 2:
            connection.sendall(b"x")
            time.sleep(0.05)

    server = serve(drip)
    begun = time.monotonic()
    with pytest.raises(Upstream, match="took too long"):
        body(outbound, server.url, seconds=0.3)
    assert 0.2 < time.monotonic() - begun < 2


def test_tls_is_checked_against_the_name_though_the_address_is_connected_to(serve: Serve, certificate: Path) -> None:
    server = serve(reply(b"secured"), _server_tls(certificate))
    trusting = Outbound(["127.0.0.1", "localhost"], tls=ssl.create_default_context(cafile=str(certificate)))
    assert body(trusting, f"https://localhost:{server.port}/") == b"secured"
    with pytest.raises(Upstream, match=r"has no valid certificate: .*127\.0\.0\.1"):
        get(trusting, f"https://127.0.0.1:{server.port}/")


def test_an_unknown_certificate_is_refused(serve: Serve, certificate: Path, outbound: Outbound) -> None:
    server = serve(reply(b"secured"), _server_tls(certificate))
    with pytest.raises(Upstream, match="has no valid certificate: self"):
        get(outbound, f"https://localhost:{server.port}/")


def test_a_server_without_tls_is_told(serve: Serve, outbound: Outbound) -> None:
    server = serve(lambda connection, _: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 9))
    with pytest.raises(Upstream, match=r"does not speak TLS|broke the connection off"):
        get(outbound, f"https://localhost:{server.port}/")


def _server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_another_method_carries_a_body_and_follows_nobody(outbound: Outbound, serve: Serve) -> None:
    server = serve(reply(b"", status="302 Found", Location="http://127.0.0.1:1/"))
    deadline = time.monotonic() + 10
    with outbound.send("POST", server.url, b"hello", max_bytes=10, timeout_s=5, deadline=deadline) as response:
        assert response.status == 302
    assert server.requests[0].startswith(b"POST / HTTP/1.1")
    assert b"Content-Length: 5" in server.requests[0]
    with pytest.raises(Invalid, match=r"url: 10\.0\.0\.1 is"):
        outbound.send("POST", "http://10.0.0.1/", b"", max_bytes=10, timeout_s=5, deadline=deadline)
