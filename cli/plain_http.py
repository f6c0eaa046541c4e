"""HTTP/1.1 of the plainest kind, as bytes: what the web worker reads and writes without gunicorn."""

import re
import time
from datetime import UTC, datetime
from functools import lru_cache

from registry.v2.hot import HotAnswer, HotRequest

END = b"\r\n\r\n"
"""Of a request's line and headers."""
LONGEST_KEPT = 2048
"""Characters of a header that is remembered."""
_LINE = re.compile(rb"(GET|HEAD|POST|PUT) (/(?:v2|api/v1)/[A-Za-z0-9._:/+-]*)(?:\?([A-Za-z0-9._:/=&%+-]*))? HTTP/1\.1")
_HEADER = re.compile(rb"([A-Za-z0-9-]+):[ \t]*((?:[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)?)[ \t]*")
_LENGTH = re.compile(r"[0-9]{1,9}")
# A request with one of these is not a plain one.
_UNUSUAL = frozenset({"transfer-encoding", "expect", "upgrade", "trailer", "te", "range"})


def parse_head(head: bytes, ip: str, proxies: int) -> HotRequest | None:
    """The request whose line and headers these are, if it is a plain one; None for anything else, however slightly."""
    first, *lines = head.split(b"\r\n")
    line = _LINE.fullmatch(first)
    if line is None:
        return None
    headers: dict[str, str] = {}
    for text in lines:
        header = _header(text) if len(text) <= LONGEST_KEPT else _header.__wrapped__(text)
        if header is None or header[0] in headers:
            return None
        headers[header[0]] = header[1]
    if "host" not in headers or headers.get("connection", "keep-alive").lower() != "keep-alive":
        return None
    if not _LENGTH.fullmatch(headers.get("content-length", "0")):
        return None
    if proxies:
        forwarded = headers.get("x-forwarded-for", "").split(",")
        ip = forwarded[-proxies].strip() if len(forwarded) >= proxies and forwarded[-proxies].strip() else ip
    return HotRequest(line[1].decode(), line[2].decode(), (line[3] or b"").decode(), headers, ip)


@lru_cache(1000)  # clients say the same again and again
def _header(line: bytes) -> tuple[str, str] | None:
    """The header's name, in lower case, and its value; None if it is not one of a plain request."""
    header = _HEADER.fullmatch(line)
    if header is None:
        return None
    name = header[1].decode().lower()
    return None if name in _UNUSUAL else (name, header[2].decode())


_now: tuple[int, str] = (0, "")


def _date() -> str:
    """The Date header of this second."""
    global _now  # noqa: PLW0603  one string a second, shared by all answers of the process
    second = int(time.time())
    if _now[0] != second:
        _now = (second, datetime.fromtimestamp(second, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT"))
    return _now[1]


def serialize(answer: HotAnswer, name: str) -> bytes:
    lines = [f"{key}: {value}" for key, value in answer.headers.items()]
    head = "\r\n".join(
        (
            f"HTTP/1.1 {answer.status}",
            f"Date: {_date()}",
            "Connection: keep-alive",
            f"Content-Length: {answer.length}",
            f"X-Request-ID: {name}",
            *lines,
        )
    )
    return head.encode("latin-1") + b"\r\n\r\n" + answer.body
