"""One HTTP request to one address that has been checked, and its answer as a stream with limits."""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import Message
from typing import Self

from config.units import format_size
from models.errors import Exceeded, Upstream

PORTS = {"http": 80, "https": 443}
_BLOCK = 64 * 1024


@dataclass(frozen=True)
class Target:
    """A checked URL: connect to one of `addresses`, ask for `path`, and speak of `host`."""

    scheme: str
    host: str
    port: int
    path: str
    addresses: tuple[str, ...]

    @property
    def origin(self) -> tuple[str, str, int]:
        """What two URLs share when credentials for the one may be shown to the other."""
        return self.scheme, self.host, self.port

    @property
    def netloc(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The URL again. Its query may hold a secret: not for logs."""
        return f"{self.scheme}://{self.netloc}{self.path}"


@dataclass(frozen=True)
class Terms:
    """How a request is made. `subject` begins messages; `deadline` is a `time.monotonic()` value."""

    subject: str
    timeout_s: float
    deadline: float
    max_bytes: int
    tls: ssl.SSLContext


@dataclass(frozen=True)
class Question:
    """What is asked for: the method, and the body that goes with it."""

    method: str = "GET"
    body: bytes | None = None


GET = Question()


class Response:
    """An answer whose body is still to be read, once. Close it, or use it in a `with`."""

    def __init__(self, target: Target, terms: Terms, headers: Mapping[str, str], question: Question = GET) -> None:
        self.url = target.url
        self._terms = terms
        self._where = f"{terms.subject}: {target.netloc}"
        self._expired = False
        with self._failures_told():
            self._sock = _connect(target, terms)
        # A read's own timeout starts anew with each byte; this ends a server that sends one now and then.
        self._timer = threading.Timer(max(terms.deadline - time.monotonic(), 0), self._expire)
        self._timer.daemon = True
        self._timer.start()
        try:
            with self._failures_told():
                self._answer = _request(self._sock, target, headers, question)
        except BaseException:
            self._hang_up()
            raise
        self.status = self._answer.status
        self.headers: Message = self._answer.headers

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def blocks(self) -> Iterator[bytes]:
        """The body as it was sent, not decoded; `Invalid` past the size allowed, `Upstream` when it breaks off."""
        expected = self._answer.length
        if expected is not None and expected > self._terms.max_bytes:
            raise self._too_large()
        received = 0
        while block := self._read():
            received += len(block)
            if received > self._terms.max_bytes:
                raise self._too_large()
            yield block
        if self._expired or (expected is not None and received < expected):
            raise self._late() if self._expired else self._broken_off()

    def beginning(self) -> bytes:
        """As much of the body as is allowed; what follows, or does not come in time, is left out."""
        received = b""
        try:
            while len(received) < self._terms.max_bytes and (block := self._read()):
                received += block
        except Upstream:
            return received[: self._terms.max_bytes]
        return received[: self._terms.max_bytes]

    def abort(self) -> None:
        """Make a read that waits in another thread end now."""
        with suppress(OSError):  # it had ended already
            # Not SSLSocket's own shutdown: it takes the TLS state away from under the reader.
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def close(self) -> None:
        self._answer.close()
        self._hang_up()

    def _hang_up(self) -> None:
        self._timer.cancel()
        self._sock.close()

    def _expire(self) -> None:
        self._expired = True
        self.abort()

    def _read(self) -> bytes:
        with self._failures_told():
            return self._answer.read1(_BLOCK)

    @contextmanager
    def _failures_told(self) -> Iterator[None]:
        try:
            yield
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> Upstream:
        if self._expired:
            return self._late()
        if isinstance(error, http.client.IncompleteRead):
            return self._broken_off()
        if isinstance(error, ssl.SSLCertVerificationError):
            return Upstream(f"{self._where} has no valid certificate: {error.verify_message}")
        reasons = {
            TimeoutError: "does not answer",
            ConnectionRefusedError: "refuses connections",
            ConnectionError: "broke the connection off",
            ssl.SSLError: "does not speak TLS as it should",
            OSError: "cannot be reached",
        }
        for kind, reason in reasons.items():
            if isinstance(error, kind):
                return Upstream(f"{self._where} {reason}")
        return Upstream(f"{self._where} does not speak HTTP as it should")

    def _late(self) -> Upstream:
        return Upstream(f"{self._where} took too long to send the file")

    def _broken_off(self) -> Upstream:
        return Upstream(f"{self._where} broke the connection off before the file was complete")

    def _too_large(self) -> Exceeded:
        limit = format_size(self._terms.max_bytes)
        return Exceeded(f"{self._terms.subject}: the file is larger than the limit of {limit} bytes")


def _connect(target: Target, terms: Terms) -> socket.socket:
    problem: OSError = TimeoutError()
    for address in target.addresses:
        remaining = min(terms.timeout_s, terms.deadline - time.monotonic())
        if remaining <= 0:
            break
        try:
            sock = socket.create_connection((address, target.port), timeout=remaining)
        except OSError as error:
            problem = error
            continue
        if target.scheme == "http":
            sock.settimeout(terms.timeout_s)
            return sock
        return _secured(sock, target, terms)
    raise problem


def _secured(sock: socket.socket, target: Target, terms: Terms) -> socket.socket:
    try:
        wrapped = terms.tls.wrap_socket(sock, server_hostname=target.host)
    except BaseException:
        sock.close()
        raise
    wrapped.settimeout(terms.timeout_s)
    return wrapped


def _request(
    sock: socket.socket, target: Target, headers: Mapping[str, str], question: Question
) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(target.host, target.port)
    connection.sock = sock
    # Not compressed on the way: the bytes are stored as they come, and nothing is inflated unawares.
    fixed = {"Host": target.netloc, "Accept-Encoding": "identity", "Connection": "close", "User-Agent": "Drydock"}
    if question.body is not None:
        fixed["Content-Length"] = str(len(question.body))
    connection.putrequest(question.method, target.path, skip_host=True, skip_accept_encoding=True)
    for name, value in {**headers, **fixed}.items():
        connection.putheader(name, value)
    connection.endheaders(question.body)
    return connection.getresponse()
