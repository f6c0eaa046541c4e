"""Secrets at rest: what must be shown again is encrypted, what must only be recognized is hashed with a key.

The first key encrypts and hashes; all of them decrypt and recognize, so that a key can be replaced while the old
one is still accepted. `drydock secrets rotate` then rewrites what is encrypted; hashes cannot be rewritten, so tokens
made under the old key work for as long as it stays accepted.
"""

import base64
import hashlib
import hmac
import secrets
import string
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ALPHABET = string.ascii_uppercase + string.digits


class Undecryptable(Exception):
    """None of the configured keys opens a stored secret: DATABASE_SECRET_KEY is not the one it was written with."""


class Vault:
    """Encrypts and recognizes secrets. `keys`: the current one first, then those still accepted."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys or not all(keys):
            raise ValueError("a vault needs at least one key, and none may be empty")
        self._fernet = MultiFernet([Fernet(base64.urlsafe_b64encode(_derive(key, b"encrypt"))) for key in keys])
        self._hash_keys = [_derive(key, b"hash") for key in keys]

    def encrypt(self, secret: str) -> str:
        return self._fernet.encrypt(secret.encode()).decode()

    def decrypt(self, sealed: str) -> str:
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken as exc:
            raise Undecryptable("a stored secret cannot be opened with DATABASE_SECRET_KEY or a previous key") from exc

    def rotate(self, sealed: str) -> str:
        """The same secret under the current key."""
        try:
            return self._fernet.rotate(sealed.encode()).decode()
        except InvalidToken as exc:
            raise Undecryptable("a stored secret cannot be opened with DATABASE_SECRET_KEY or a previous key") from exc

    def fingerprint(self, token: str) -> str:
        """What is stored of a token that is only ever presented to us."""
        return _hash(self._hash_keys[0], token)

    def fingerprints(self, token: str) -> list[str]:
        """What may be stored of it, under any accepted key, the current one first."""
        return [_hash(key, token) for key in self._hash_keys]


def new_token(length: int = 40) -> str:
    """A random token; 40 characters of 36 are 206 bits."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def _derive(key: str, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"drydock:" + purpose).derive(key.encode())


def _hash(key: bytes, token: str) -> str:
    return hmac.new(key, token.encode(), hashlib.sha256).hexdigest()
