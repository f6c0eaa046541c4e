"""Request bodies as they arrive, and what Content-Range says of them."""

import logging
import re
from collections.abc import Iterator

from flask import request

from registry.errors import UploadInvalid
from registry.uploads import Body

log = logging.getLogger(__name__)

BLOCK = 1 << 20
RECEIVE = "drydock.receive"
"""In the WSGI environment: a function like `read` of the body, for bodies of a known length. May answer less."""
_RANGE = re.compile(r"(?:bytes[ =])?(\d{1,19})-(\d{1,19})(?:/\S+)?", re.ASCII)


def request_body() -> Body:
    """The request's bytes, in blocks of up to 1 MiB. A client that goes away ends them and marks the body broken."""
    body = Body(iter(()))
    body.chunks = _blocks(body)
    return body


def has_body() -> bool:
    return bool(request.content_length) or request.headers.get("Transfer-Encoding", "").lower() == "chunked"


def content_range() -> tuple[int, int] | None:
    """First and last byte that the request says it brings, or None if it does not say. UploadInvalid."""
    text = request.headers.get("Content-Range")
    if text is None:
        return None
    match = _RANGE.fullmatch(text)
    if not match or int(match[2]) < int(match[1]):
        raise UploadInvalid("Content-Range: expected the first and the last byte, as in 0-1023")
    first, last = int(match[1]), int(match[2])
    if request.content_length is not None and request.content_length != last - first + 1:
        raise UploadInvalid(f"Content-Range names {last - first + 1} bytes, Content-Length {request.content_length}")
    return first, last


def _blocks(body: Body) -> Iterator[bytes]:
    left = request.content_length
    # A server that can hand over what a socket holds without copying it around does so here.
    read = request.environ.get(RECEIVE) or request.environ["wsgi.input"].read
    while left is None or left > 0:
        try:
            block = read(BLOCK if left is None else min(BLOCK, left))
        except Exception as exc:
            log.info("a client stopped in the middle of a body: %s", type(exc).__name__)
            body.broken = True
            return
        if not block:
            body.broken = left is not None
            return
        if left is not None:
            left -= len(block)
        yield block
