"""What logs do not tell of a request's path: tokens and codes that some of Quay's paths carry, and links of ours."""

import re

_SECRET = re.compile(r"^(/api/v1/repository/.+/tokens/|/api/v1/teaminvite/|/exportedlogs/)[^/]+(?=/?$)")


def redacted(path: str) -> str:
    """The path with its secret part, if it has one, struck out."""
    return _SECRET.sub(r"\1***", path)
