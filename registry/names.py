"""Digests, repository names, tags and references, parsed once at the edge; inner code never sees raw strings.

Grammar: OCI distribution specification 1.1 ("Pulling manifests"), OCI image specification ("Digests").
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Any

HEX_LENGTH = {"sha256": 64, "sha512": 128}
_DIGEST = re.compile(r"(sha256|sha512):([a-f0-9]{64,128})")
_NAME = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)+")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
MAX_NAME = 511


class Malformed(ValueError):
    """A name, tag or digest that does not follow the grammar; the text says what was expected."""


class MalformedDigest(Malformed): ...


class MalformedTag(Malformed): ...


@dataclass(frozen=True)
class Digest:
    """A content digest with a supported algorithm."""

    algorithm: str
    hex: str

    @classmethod
    def parse(cls, text: str) -> "Digest":
        match = _DIGEST.fullmatch(text)
        if not match or len(match[2]) != HEX_LENGTH[match[1]]:
            raise MalformedDigest("a digest is sha256: and 64, or sha512: and 128, lower-case hexadecimal digits")
        return cls(match[1], match[2])

    @classmethod
    def of(cls, data: bytes, algorithm: str = "sha256") -> "Digest":
        return cls(algorithm, hashlib.new(algorithm, data).hexdigest())

    def hasher(self) -> Any:
        """A hashlib object of this digest's algorithm."""
        return hashlib.new(self.algorithm)

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"


@dataclass(frozen=True)
class RepositoryName:
    """`namespace/name`; the name may hold further slashes."""

    namespace: str
    name: str

    @classmethod
    def parse(cls, text: str) -> "RepositoryName":
        if len(text) > MAX_NAME or not _NAME.fullmatch(text):
            raise Malformed(
                "a repository is named namespace/name: lower-case letters and digits, with . _ - between them"
            )
        namespace, _, name = text.partition("/")
        return cls(namespace, name)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def parse_tag(text: str) -> str:
    """The tag, if it is one; Malformed."""
    if not _TAG.fullmatch(text):
        raise MalformedTag("a tag has up to 128 letters, digits, and . _ - (not first)")
    return text


def parse_reference(text: str) -> Digest | str:
    """A digest if the text holds a colon, else a tag; Malformed."""
    return Digest.parse(text) if ":" in text else parse_tag(text)
