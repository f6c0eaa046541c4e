"""What wakes the web worker's main thread together is answered together."""

import socket
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from selectors import EVENT_READ, DefaultSelector
from types import SimpleNamespace

import pytest
from gunicorn.workers.gthread import TConn  # type: ignore[import-untyped]

from cli.web_worker import Worker
from registry.v2.hot import HotAnswer, HotRequest

CFG = SimpleNamespace(is_ssl=False, keepalive=75)


class Hot:
    """Answers everything with its path, and remembers how many came together."""

    def __init__(self) -> None:
        self.rounds: list[int] = []

    def answers(self, requests: Sequence[HotRequest]) -> list[HotAnswer | None]:
        self.rounds.append(len(requests))
        return [HotAnswer({}, each.path.encode(), len(each.path), None) for each in requests]


@pytest.fixture
def hot() -> Hot:
    return Hot()


@pytest.fixture
def worker(hot: Hot) -> Iterator[Worker]:
    """A worker of which there is as much as the short way needs."""
    worker = Worker.__new__(Worker)
    with DefaultSelector() as poller:
        for name, value in {
            "poller": poller,
            "keepalived_conns": deque(),
            "cfg": CFG,
            "alive": True,
            "hot": hot,
        }.items():
            setattr(worker, name, value)
        worker.nr_conns = 0
        worker._begun, worker._asked, worker._heads, worker._takers = {}, [], {}, {}
        worker._pushes = SimpleNamespace(takes=lambda _: False)  # type: ignore[assignment]  # nothing pushes here
        worker._looked = time.monotonic()
        yield worker


@pytest.fixture
def clients(worker: Worker) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        clients = []
        for _ in range(3):
            client, ours = (stack.enter_context(end) for end in socket.socketpair())
            conn = TConn(CFG, ours, ("127.0.0.1", 1), ("127.0.0.1", 2))
            worker.poller.register(ours, EVENT_READ, partial(worker.on_client_socket_readable, conn))
            worker.keepalived_conns.append(conn)
            worker.nr_conns += 1
            clients.append(client)
        yield clients


def test_they_are_answered_together(worker: Worker, hot: Hot, clients: list[socket.socket]) -> None:
    for number, client in enumerate(clients):
        client.sendall(f"GET /v2/{number} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    worker.wait_for_and_dispatch_events(1)
    assert hot.rounds == [3]
    assert [client.recv(1000).rpartition(b"\r\n\r\n")[2] for client in clients] == [b"/v2/0", b"/v2/1", b"/v2/2"]
    assert len(worker.keepalived_conns) == 3


def test_one_that_was_dropped_meanwhile_is_not_answered(worker: Worker, hot: Hot, clients: list[socket.socket]) -> None:
    for client in clients[:2]:
        client.sendall(b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n")
    for key, _ in worker.poller.select(1):
        key.data(key.fileobj)
    worker._drop(worker._asked[0].conn)
    worker.wait_for_and_dispatch_events(0)
    assert hot.rounds == [1]
    assert worker.nr_conns == 2
