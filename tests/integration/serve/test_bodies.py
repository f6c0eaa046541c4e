import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from gunicorn.config import Config  # type: ignore[import-untyped]
from gunicorn.http import get_parser  # type: ignore[import-untyped]
from werkzeug.exceptions import ClientDisconnected

from cli.bodies import with_bodies
from cli.pace import Patience
from cli.slots import Slots
from registry.v2.body import RECEIVE
from tests.services.process import wait_until

PATIENCE = Patience(seconds=1.2, rate=1000)
LENGTH = "Content-Length: {}\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as threads:
        yield threads


class Connection:
    """A client's end, and the server's with gunicorn's parser behind it."""

    def __init__(self, slots: Slots, pool: ThreadPoolExecutor) -> None:
        self.client, self._server = socket.socketpair()
        self._parser = get_parser(Config(), self._server, ("127.0.0.1", 1))
        self._slots = slots
        self._pool = pool

    def request(self, header: str, read: Callable[[dict[str, Any]], bytes]) -> Future[bytes]:
        """Send the head of a request, and let an application read its body."""
        self.client.sendall(f"PUT / HTTP/1.1\r\nHost: x\r\n{header}\r\n".encode())

        def application(environ: dict[str, Any], _: object) -> Iterable[bytes]:
            return [read(environ)]

        def serve() -> bytes:
            message = next(self._parser)
            environ = {"wsgi.input": message.body, "gunicorn.socket": self._server}
            (answer,) = with_bodies(application, self._slots, PATIENCE)(environ, lambda *_: lambda _: None)
            return answer

        return self._pool.submit(serve)

    def close(self) -> None:
        self.client.close()
        self._server.close()


@pytest.fixture
def connect(pool: ThreadPoolExecutor) -> Iterator[Callable[[Slots], Connection]]:
    made: list[Connection] = []

    def make(slots: Slots) -> Connection:
        made.append(Connection(slots, pool))
        return made[-1]

    yield make
    for connection in made:
        connection.close()


def read_all(environ: dict[str, Any]) -> bytes:
    body: bytes = environ["wsgi.input"].read()
    return body


def receive_all(environ: dict[str, Any]) -> bytes:
    """As uploads do it: straight from the socket."""
    return b"".join(iter(lambda: environ[RECEIVE](1 << 20), b""))


def test_bodies_are_read_and_the_next_request_of_the_connection_is_right(
    connect: Callable[[Slots], Connection],
) -> None:
    connection = connect(Slots(1, crowd=9))
    for read in (receive_all, read_all):
        asked = connection.request(LENGTH.format(10), read)
        connection.client.sendall(b"0123456789")
        assert asked.result(5) == b"0123456789"
    asked = connection.request(CHUNKED, read_all)
    connection.client.sendall(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
    assert asked.result(5) == b"abcde"


def test_clients_that_drip_are_given_up_and_keep_no_slot_meanwhile(connect: Callable[[Slots], Connection]) -> None:
    slots = Slots(4, crowd=9)
    quick = connect(slots)
    began = time.monotonic()
    slow = [
        Dripping(connect(slots), LENGTH.format(1000), receive_all, b"x"),
        Dripping(connect(slots), LENGTH.format(1000), receive_all, b""),
        Dripping(connect(slots), LENGTH.format(1000), read_all, b"x"),
        Dripping(connect(slots), CHUNKED, read_all, b"1\r\nx\r\n"),
    ]
    wait_until(lambda: not slots.free, seconds=5, pause=0.01)
    asked = quick.request(LENGTH.format(3), receive_all)
    quick.client.sendall(b"abc")

    assert asked.result(5) == b"abc"
    assert time.monotonic() - began < PATIENCE.seconds
    assert not any(one.answer.done() for one in slow)
    for one in slow:
        assert len(one.received()) < 1000
        one.join()
    assert PATIENCE.seconds - 0.1 < time.monotonic() - began < PATIENCE.seconds + 2
    assert slots.free == 4


def test_one_that_is_slow_but_steady_is_waited_for(connect: Callable[[Slots], Connection]) -> None:
    connection = connect(Slots(1, crowd=9))
    asked = connection.request(LENGTH.format(3000), receive_all)
    for _ in range(3):  # a pause, then what had gathered
        time.sleep(0.6)
        connection.client.sendall(b"x" * 1000)
    assert len(asked.result(5)) == 3000


class Dripping(threading.Thread):
    """A client that sends a drop ten times a second until its request ends."""

    def __init__(
        self, connection: Connection, header: str, read: Callable[[dict[str, Any]], bytes], drop: bytes
    ) -> None:
        super().__init__(daemon=True)
        self.answer = connection.request(header, read)
        self._client = connection.client
        self._drop = drop
        self.start()

    def run(self) -> None:
        while not self.answer.done():
            with suppress(OSError):
                self._client.sendall(self._drop)
            time.sleep(0.1)

    def received(self) -> bytes:
        """What the application got of the body; nothing, if its server told it that the client has gone."""
        try:
            return self.answer.result(5)
        except ClientDisconnected:
            return b""
