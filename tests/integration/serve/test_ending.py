import os
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.integration.serve.running import Serving, running
from tests.services.process import wait_until


def stuck_upload(server: Serving) -> socket.socket:
    """A client that has sent half of a request and says no more."""
    client = socket.create_connection(("127.0.0.1", server.port))
    client.sendall(b"POST /api/v1/organization/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{")
    return client


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_end_everything_ends_within_five_seconds(data: Path, sent: signal.Signals) -> None:
    with running(data) as server:
        server.wait_until_ready()
        everything = server.processes()
        assert len(everything) >= 7  # web: 1 + 2, workers: 2, scheduler, redis
        with stuck_upload(server):
            begun = time.monotonic()
            os.kill(server.popen.pid, sent)
            code = server.popen.wait(10)
            took = time.monotonic() - begun

        assert code == 0
        assert took < 5
        assert [left for left in everything if left.alive] == []


def test_asked_to_end_while_it_starts_it_ends(data: Path) -> None:
    with running(data) as server:
        wait_until(lambda: bool(server.find("redis-server")), seconds=10, pause=0.01)
        everything = server.processes()
        os.kill(server.popen.pid, signal.SIGINT)

        assert server.popen.wait(5) == 0
        assert [left for left in everything if left.alive] == []


def test_killed_it_takes_everything_along_and_can_start_again_on_its_data(data: Path) -> None:
    with running(data) as server:
        server.wait_until_ready()
        everything = server.processes()
        password = (data / "admin-password").read_text()
        server.popen.kill()
        server.popen.wait()
        wait_until(lambda: not any(left.alive for left in everything), seconds=2)

    with running(data) as server:
        server.wait_until_ready()
        wait_until(lambda: "Drydock serves at" in server.said(), seconds=5)
        assert (data / "admin-password").read_text() == password
        assert password.strip() not in server.said()


def test_a_start_that_fails_ends_the_web_processes_without_force(data: Path) -> None:
    data.mkdir()
    (data / "drydock.db").write_text("no database, but long enough to look at: " * 100)
    with running(data) as server:
        assert server.popen.wait(20) == 1
        assert "is killed" not in server.said()
