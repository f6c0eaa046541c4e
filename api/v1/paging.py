"""Page tokens: where a long list goes on, in a form that only this installation can make and that does not last."""

import json
import time
from functools import lru_cache

from config.settings import Settings
from models.errors import Invalid
from models.vault import Undecryptable, Vault

LIFETIME_S = 2 * 24 * 3600


def next_page(settings: Settings, after: int, query: str, *, lifetime_s: int = LIFETIME_S) -> str:
    """A token for what comes after row `after`; it only fits the same `query`, any text that tells lists apart."""
    place = {"after": after, "query": query, "expires": int(time.time()) + lifetime_s}
    return _vault(settings.page_token_key.get_secret_value()).encrypt(json.dumps(place))


def page_start(settings: Settings, token: str | None, query: str) -> int:
    """The row after which the page begins; 0 without a token. Invalid if the token is not one for this list."""
    if token is None:
        return 0
    try:
        place = json.loads(_vault(settings.page_token_key.get_secret_value()).decrypt(token))
    except Undecryptable as exc:
        raise Invalid("next_page: this is no page token; take the one from the page before") from exc
    if place["expires"] < time.time():
        raise Invalid("next_page: this page token has expired; start again with the first page")
    if place["query"] != query:
        raise Invalid("next_page: this page token belongs to another list; keep the other parameters as they were")
    return int(place["after"])


@lru_cache(maxsize=4)
def _vault(key: str) -> Vault:
    return Vault([key])
