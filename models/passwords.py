"""Passwords: argon2id, with the parameters OWASP names for it."""

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from models.errors import Invalid

MIN_LENGTH = 8  # as Quay
_hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
# Verified against when there is no such user, so that the time taken does not tell.
_NOBODY = _hasher.hash("nobody has this password")


def hash_password(password: str) -> str:
    """The hash to keep; Invalid if the password is too short."""
    if len(password) < MIN_LENGTH or len(password) > 4096:
        raise Invalid(f"Invalid password: it must have at least {MIN_LENGTH} characters")
    return _hasher.hash(password)


def verify_password(password: str, stored: str | None) -> bool:
    """Whether the password is the one hashed; takes as long when there is none."""
    try:
        return _hasher.verify(stored or _NOBODY, password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False
