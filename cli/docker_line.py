"""Whether builds can run: one look at the Docker engine, without the SDK, which would take longer to import."""

import http.client
import socket
from contextlib import closing
from urllib.parse import urlsplit

from config.settings import Settings

TIMEOUT_S = 1.0


def describe_engine(settings: Settings) -> str:
    """A line for the person who started Drydock."""
    url = settings.build_engine_url
    if urlsplit(url).scheme not in {"unix", "tcp", "http"}:
        return f"with the Docker engine at {url}"
    if _answers(url):
        return f"the Docker engine at {url} answers"
    return f"no Docker engine answers at {url}: everything works but builds; start one, or set BUILD_ENGINE_URL"


def _answers(url: str) -> bool:
    parts = urlsplit(url)
    connection = (
        _UnixConnection(parts.path)
        if parts.scheme == "unix"
        else http.client.HTTPConnection(parts.hostname or "", parts.port or 2375, timeout=TIMEOUT_S)
    )
    with closing(connection):
        try:
            connection.request("GET", "/_ping")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("docker", timeout=TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(TIMEOUT_S)
        self.sock.connect(self._path)
