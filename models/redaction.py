"""What logs do not tell of a request's path: the tokens that some of Quay's paths carry."""

import re

_SECRET = re.compile(r"^(/api/v1/repository/.+/tokens/)[^/]+(?=/?$)")


def redacted(path: str) -> str:
    """The path with its secret part, if it has one, struck out."""
    return _SECRET.sub(r"\1***", path)
