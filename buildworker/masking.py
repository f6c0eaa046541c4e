"""Keeping secrets out of what people read, in each of the forms in which a command may print them."""

import base64
import json
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

from buildworker.output import clean

MASK = "****"
_SHORTEST_PART = 6
"""Characters of a line, an encoded form or a torn-off beginning from which on it counts: less hides ordinary text."""
_TORN = "…"


class Masker:
    """Knows secrets, and takes them out of text."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._forms: list[str] = []
        self.add(*secrets)

    def add(self, *secrets: str) -> None:
        """Take these out as well."""
        found = {form for secret in secrets if secret for form in forms(secret)}
        self._forms = sorted({*self._forms, *found}, key=len, reverse=True)

    def masked(self, text: str) -> str:
        """The text without secrets; also without the beginning of one where the text was cut off in it."""
        for form in self._forms:
            text = text.replace(form, MASK)
        return self._without_torn(text) if text.endswith(_TORN) else text

    def _without_torn(self, text: str) -> str:
        kept = text.removesuffix(_TORN)
        for form in self._forms:
            for size in range(min(len(form) - 1, len(kept)), _SHORTEST_PART - 1, -1):
                if kept.endswith(form[:size]):
                    return f"{kept[:-size]}{MASK}{_TORN}"
        return text


def forms(secret: str) -> set[str]:
    """The secret as it is, its lines if it has several, and how URLs, JSON, base64 and hex write it."""
    raw = secret.encode(errors="replace")
    lines = [line.strip() for line in secret.splitlines()]
    plain = {secret, secret.strip(), clean(secret)} | ({*lines} if len(lines) > 1 else set())
    encoded = {quote(secret, safe=""), quote(secret), quote_plus(secret), json.dumps(secret)[1:-1], raw.hex()}
    encoded |= {json.dumps(secret, ensure_ascii=False)[1:-1], raw.hex().upper(), *_base64(raw)}
    short = {form for form in {*lines, *encoded} if len(form) < _SHORTEST_PART} - {secret, secret.strip()}
    return {form for form in plain | encoded if form} - short


def _base64(raw: bytes) -> set[str]:
    """The parts of base64 that tell of these bytes, wherever among others they stand."""
    found = set()
    for before in range(3):
        text = base64.b64encode(bytes(before) + raw).decode().rstrip("=")
        # The first characters are made of what is before as well, the last perhaps of what follows.
        start = (before * 8 + 5) // 6
        end = (before + len(raw)) * 8 // 6
        found |= {text[start:end], text[start:end].replace("+", "-").replace("/", "_")}
    return found
