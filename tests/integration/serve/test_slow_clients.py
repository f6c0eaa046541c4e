"""Clients that send byte by byte cannot hold the threads of the web processes."""

import socket
import time

from cli.web_worker import HEAD_S
from tests.integration.serve.running import Serving, drydock

PAUSE_S = 0.2
HEAD = "POST /api/v1/repository HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\nContent-Length: 100\r\n"


def test_a_head_that_drips_is_ended_and_a_body_may(server: Serving) -> None:
    token = drydock("token", "create", "admin", "--scopes", "repo:create", "--data", server.data).stdout.strip()
    with connected(server) as head, connected(server) as body:
        began = time.monotonic()
        body.sendall(f"{HEAD.format(token)}\r\n".encode())
        head.sendall(f"{HEAD.format(token)}X-Slow: ".encode())
        while not ended(head):
            assert time.monotonic() - began < HEAD_S + 5
            head.sendall(b"x")
            body.sendall(b" ")
        assert time.monotonic() - began >= HEAD_S - 1
        body.sendall(b" " * 100)
        body.settimeout(5)
        assert b" 415 " in body.recv(1024)


def connected(server: Serving) -> socket.socket:
    """A connection that has served a request already, as most have."""
    client = socket.create_connection(("127.0.0.1", server.port), timeout=5)
    client.sendall(b"GET /health/instance HTTP/1.1\r\nHost: localhost\r\n\r\n")
    answer = b""
    while not answer.endswith(b"}\n"):
        answer += client.recv(4096)
    assert b" 200 " in answer
    client.settimeout(PAUSE_S)
    return client


def ended(client: socket.socket) -> bool:
    """Whether the server has closed, or did while we waited a moment."""
    try:
        return client.recv(1024) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True
