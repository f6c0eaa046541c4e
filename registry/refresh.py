"""Refresh tokens: a client's own credentials, sealed, so that it need not keep the password where others may read it.

The docker token endpoints ask for them by `offline_token` and `access_type=offline`, and leave their form open. Nothing
is stored here: what is inside is checked anew each time, so a changed password or a revoked token ends them, too.
"""

import json
import time

from models.errors import Unauthenticated
from models.vault import Undecryptable, Vault

LIFE_S = 90 * 86400
LONGEST = 8192
_KIND = "refresh"


def seal_credentials(vault: Vault, username: str, password: str) -> str:
    """A refresh token, good for `LIFE_S` seconds, for credentials that were found right."""
    until = int(time.time()) + LIFE_S
    return vault.encrypt(json.dumps({"kind": _KIND, "user": username, "secret": password, "until": until}))


def open_credentials(vault: Vault, token: str) -> tuple[str, str]:
    """The user name and password in a refresh token of ours; Unauthenticated tells why there are none."""
    try:
        content = json.loads(vault.decrypt(token)) if len(token) <= LONGEST else None
    except (Undecryptable, ValueError) as exc:
        raise Unauthenticated("the refresh token was not issued by this registry") from exc
    if not isinstance(content, dict) or content.get("kind") != _KIND:
        raise Unauthenticated("the refresh token was not issued by this registry")
    if content["until"] < time.time():
        raise Unauthenticated("the refresh token has expired; log in again")
    return content["user"], content["secret"]
