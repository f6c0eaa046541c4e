"""A real HTTP server on loopback that takes what webhooks send, and verifies what signs it."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.services.process import wait_until


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def is_signed_with(self, secret: str) -> bool:
        """Whether the signature is what Standard Webhooks says it has to be."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        signed = b".".join((headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), self.body))
        key = base64.b64decode(secret.removeprefix("whsec_"))
        wanted = "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        return wanted in headers["webhook-signature"].split(" ")


class Receiver:
    """A running receiver. A path `/status/503` is answered so, `/redirect` leads to `/`, anything else is welcome.

    What comes for `/held` is not answered until `released` is set.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.released = threading.Event()
        self.received: list[Received] = []
        self.answers: list[int] = []
        """The next answers' statuses, before the path counts again."""

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def at(self, path: str) -> list[Received]:
        """What came for the path, in order."""
        return [request for request in self.received if request.path.partition("?")[0] == path]

    def wait(self, path: str = "/hook", *, number: int = 1, seconds: float = 10) -> Received:
        """The request number `number` for the path, once it is there."""
        wait_until(lambda: len(self.at(path)) >= number, seconds=seconds, pause=0.02)
        return self.at(path)[number - 1]

    def status_for(self, path: str) -> int:
        if self.answers:
            return self.answers.pop(0)
        return (
            int(path.removeprefix("/status/")) if path.startswith("/status/") else 302 if path == "/redirect" else 200
        )


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Run a server of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            there.received.append(Received(self.path, dict(self.headers.items()), body))
            if self.path == "/held":
                there.released.wait(20)
            answer = b"thanks for " + self.path.encode() + b"\0" * 3 + b"!" * 10_000
            self.send_response(there.status_for(self.path))
            self.send_header("Location", "/")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            with suppress(ConnectionError):  # who asked may have been killed meanwhile
                self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        there = Receiver(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield there
        there.released.set()
        server.shutdown()
        thread.join()
