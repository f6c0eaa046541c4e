"""One HTTP request at a time, exactly as asked for: no retries, no redirects followed unless told, nothing added."""

import http.client
import json
from collections.abc import Iterable, Mapping
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
    parts = urlsplit(url)
    given = dict(headers or {})
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
    try:
        chunked = not isinstance(body, bytes | None) and "Content-Length" not in given
        if chunked:
            given["Transfer-Encoding"] = "chunked"
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(method, path, body=body, headers=given, encode_chunked=chunked)
        answer = connection.getresponse()
        reply = Reply(answer.status, answer.headers, answer.read(), url)
    finally:
        connection.close()
    if not follow or reply.status not in {301, 302, 307, 308}:
        return reply
    target = urljoin(url, reply.headers["Location"])
    if urlsplit(target).netloc != parts.netloc:
        given.pop("Authorization", None)
    return call(method, target, headers=given, body=body, follow=True)
