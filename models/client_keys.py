"""Client keys: what `docker login` can keep in place of a user's password, and what nobody can sign in a browser with.

A key is sealed, not stored. It names the user and the password it was made under, so a new password ends it.
"""

import hashlib
import hmac
import json
from typing import Any

from models import audit
from models.access import Identity
from models.session import Session
from models.tables import User
from models.vault import Undecryptable, Vault

LONGEST = 1024
_KIND = "client key"


def make_client_key(session: Session, user: User, *, actor: Identity) -> str:
    """A new client key of the user's. Quay operation generateUserClientKey."""
    audit.record(session, "user_generate_client_key", actor=actor, namespace=user)
    return seal_client_key(session.vault, user)


def seal_client_key(vault: Vault, user: User) -> str:
    """The key alone, for who was given the password in the same answer."""
    return vault.encrypt(json.dumps({"kind": _KIND, "user": user.uuid, "password": _mark(user)}))


def opens_client_key(session: Session, user: User, key: str) -> bool:
    """Whether the key is one of the user's, made under the present password."""
    content = _open(session.vault, key)
    if content is None or content.get("user") != user.uuid or user.password_hash is None:
        return False
    return hmac.compare_digest(str(content["password"]), _mark(user))


def looks_like_client_key(text: str) -> bool:
    """Whether it can be one at all; passwords that look so are not checked as such."""
    return 128 <= len(text) <= LONGEST and text.startswith("gAAAAA")


def _open(vault: Vault, key: str) -> dict[str, Any] | None:
    try:
        content = json.loads(vault.decrypt(key))
    except (Undecryptable, ValueError):
        return None
    return content if isinstance(content, dict) and content.get("kind") == _KIND else None


def _mark(user: User) -> str:
    return hashlib.sha256((user.password_hash or "").encode()).hexdigest()
