import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.docker_line import describe_engine
from config.settings import Settings


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Path]:
    """A socket on which one caller gets the answer of a healthy engine."""
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")

        thread = threading.Thread(target=answer)
        thread.start()
        yield path
        thread.join()


def test_an_engine_that_answers_is_told(engine: Path) -> None:
    assert describe_engine(Settings(BUILD_ENGINE_URL=f"unix://{engine}")).endswith(f"at unix://{engine} answers")


@pytest.mark.parametrize("url", ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:9"])
def test_an_engine_that_does_not_answer_is_told_with_what_to_do(url: str) -> None:
    told = describe_engine(Settings(BUILD_ENGINE_URL=url))

    assert told.startswith(f"no Docker engine answers at {url}")
    assert "BUILD_ENGINE_URL" in told


def test_what_cannot_be_looked_at_without_keys_is_only_named() -> None:
    assert describe_engine(Settings(BUILD_ENGINE_URL="ssh://host")) == "with the Docker engine at ssh://host"
