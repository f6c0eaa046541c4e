"""What logs do not tell of addresses: tokens and codes that some paths carry, logins, and what follows a `?`."""

import re
from urllib.parse import urlsplit, urlunsplit

_SECRET = re.compile(r"^(/api/v1/repository/.+/tokens/|/api/v1/teaminvite/|/exportedlogs/)[^/]+(?=/?$)")


def redacted(path: str) -> str:
    """The path with its secret part, if it has one, struck out."""
    return _SECRET.sub(r"\1***", path)


def without_query(url: str, *, mark: str = "…") -> str:
    """The URL as logs show it: a login, and what follows `?`, may open something. `mark`: what stands for that."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, place, parts.path, mark if parts.query else "", ""))
