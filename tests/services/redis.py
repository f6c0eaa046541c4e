"""A real Redis server, and databases in it that nothing else uses."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

from redis import Redis as Client
from redis.exceptions import RedisError

from tests.services import process
from tests.services.ports import free_port

_DATABASES = 4096


class Redis:
    """A running server."""

    def __init__(self, port: int, password: str) -> None:
        self._port = port
        self._password = password
        self._numbers = count(1)

    def url(self, database: int = 0) -> str:
        """`redis://:password@127.0.0.1:port/database`"""
        return f"redis://:{self._password}@127.0.0.1:{self._port}/{database}"

    def new_database(self) -> str:
        """The URL of a database that is empty and not handed out again."""
        return self.url(next(self._numbers))


@contextmanager
def redis() -> Iterator[Redis]:
    """Run a server of its own, with the append-only file on as in production."""
    password = secrets.token_hex(16)
    port = free_port()
    folder = process.scratch_folder("redis")
    store = Redis(port, password)
    argv = [
        shutil.which("redis-server") or "redis-server",
        *("--bind", "127.0.0.1", "--port", str(port), "--dir", folder, "--databases", str(_DATABASES)),
        *("--requirepass", password, "--appendonly", "yes", "--save", ""),
    ]
    server = process.start("redis", argv, ready=lambda: _answers(store.url()), scratch=[folder])
    try:
        yield store
    finally:
        server.stop()


def _answers(url: str) -> bool:
    with Client.from_url(url, socket_timeout=2) as client:
        try:
            return bool(client.ping())
        except RedisError:
            return False
