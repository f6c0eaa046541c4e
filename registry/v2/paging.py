"""Pages of names: `n`, `last` and the Link header (distribution specification, "Listing tags")."""

import re
from urllib.parse import urlencode

from flask import Response, jsonify, request

from registry.errors import PaginationInvalid
from registry.v2.errors import API_VERSION

MOST = 1000
_ID = re.compile("[0-9]{1,18}", re.ASCII)


def page_size() -> int:
    """How many names the client asks for, at most 1000; PaginationInvalid."""
    text = request.args.get("n")
    if text is None:
        return MOST
    if not text.isascii() or not text.isdigit():
        raise PaginationInvalid({"n": text, "expected": "a whole number, 0 or more"})
    return min(int(text[:9]), MOST)


def page(body: dict[str, object], names: list[str], size: int, more: bool) -> Response:
    """The answer with a page of names, and where the next one is."""
    response = jsonify(body)
    response.headers.update(API_VERSION)
    if more and names:
        response.headers["Link"] = next_link(request.path, size, names[-1])
    return response


def next_link(path: str, size: int, last: str, **more: str) -> str:
    """The Link header that leads to the page behind `last`; `more`: parameters that the request had besides."""
    return f'<{path}?{urlencode({"n": size, "last": last, **more})}>; rel="next"'


def position() -> int:
    """Behind which id the page begins, where `last` is one; PaginationInvalid."""
    text = request.args.get("last", "0")
    if not _ID.fullmatch(text):
        raise PaginationInvalid({"last": text, "expected": "what the Link header of the page before said"})
    return int(text)
