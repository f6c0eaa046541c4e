"""Names as Quay accepts them."""

import re

from models.errors import Invalid

NAMESPACE = r"^([a-z0-9]+(?:[._-][a-z0-9]+)*)$"
_NAMESPACE = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
_REPOSITORY = re.compile(r"[a-z0-9][.a-z0-9_-]*")
_EXTENDED = re.compile(
    r"(?=.{2,255}\Z)[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
)
_EMAIL = re.compile(r"[^\s@]+@[^\s@.]+(?:\.[^\s@.]+)+")


def check_namespace(name: str) -> str:
    """The name, if a user, an organization or a robot may have it; Invalid tells why not (Quay's words)."""
    if not 2 <= len(name) <= 255:
        raise Invalid(f"Invalid namespace {name}: Namespace must be between 2 and 255 characters in length")
    if not _NAMESPACE.fullmatch(name):
        raise Invalid(f"Invalid namespace {name}: Namespace must match expression {NAMESPACE}")
    return name


def is_namespace(name: str) -> bool:
    """Whether a user or an organization may have the name."""
    return 2 <= len(name) <= 255 and _NAMESPACE.fullmatch(name) is not None


def check_repository(name: str, *, nested: bool = True) -> str:
    """The name, if a repository may have it. `nested`: slashes are allowed (FEATURE_EXTENDED_REPOSITORY_NAMES)."""
    plain = _REPOSITORY.fullmatch(name) and len(name) <= 255
    if not plain and not (nested and _EXTENDED.fullmatch(name)):
        raise Invalid("Invalid repository name")
    return name


def check_email(address: str) -> str:
    if len(address) > 255 or not _EMAIL.fullmatch(address):
        raise Invalid("Invalid email address")
    return address
