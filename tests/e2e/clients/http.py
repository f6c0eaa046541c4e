"""One HTTP request at a time, exactly as asked for: no retries, no redirects followed unless told, nothing added."""

import http.client
import json
import select
from collections.abc import Iterable, Mapping
from contextlib import closing
from email.message import Message
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

TIMEOUT_S = 120


class Reply(NamedTuple):
    """What came back. `url` is where from, after redirects."""

    status: int
    headers: Message
    body: bytes
    url: str

    @property
    def json(self) -> Any:
        """The body, parsed; None if there is none."""
        return json.loads(self.body) if self.body else None

    def expect(self, *statuses: int) -> "Reply":
        """The reply itself, if it has one of these statuses; fails with all it says otherwise."""
        assert self.status in statuses, f"{self.url} → {self.status}, expected {statuses}\n{self.body[:2000]!r}"
        return self


def call(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | Iterable[bytes] | None = None,
    follow: bool = False,
) -> Reply:
    """Send a request and read the whole answer. A body that is no bytes goes out chunked, unless it has a length.

    `follow`: go where a redirect points, leaving the authorization behind when that is another server (RFC 9110).
    """
    with closing(_open(url)) as connection:
        reply = _sent(connection, method, url, headers or {}, body)
    if not follow or reply.status not in {301, 302, 307, 308}:
        return reply
    target, given = urljoin(url, reply.headers["Location"]), dict(headers or {})
    if urlsplit(target).netloc != urlsplit(url).netloc:
        given.pop("Authorization", None)
    return call(method, target, headers=given, body=body, follow=True)


class KeptAlive:
    """One connection for many requests to one server, as most clients keep it; another one after a failure."""

    def __init__(self) -> None:
        self._connection: http.client.HTTPConnection | None = None

    def call(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | Iterable[bytes] | None = None,
        follow: bool = False,
    ) -> Reply:
        """As `call`, but redirects are never followed."""
        assert not follow
        if self._connection is None or _has_ended(self._connection):
            self.close()
            self._connection = _open(url)
        try:
            return _sent(self._connection, method, url, headers or {}, body)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None


def _open(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_S)


def _has_ended(connection: http.client.HTTPConnection) -> bool:
    """Whether the server has closed it since the last answer."""
    return connection.sock is None or bool(select.select([connection.sock], [], [], 0)[0])


def _sent(
    connection: http.client.HTTPConnection,
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes | Iterable[bytes] | None,
) -> Reply:
    parts, given = urlsplit(url), dict(headers)
    chunked = not isinstance(body, bytes | None) and "Content-Length" not in given
    if chunked:
        given["Transfer-Encoding"] = "chunked"
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    connection.request(method, path, body=body, headers=given, encode_chunked=chunked)
    answer = connection.getresponse()
    return Reply(answer.status, answer.headers, answer.read(), url)
