"""JSON over HTTP with servers that are not ours, through the outbound guard."""

import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from buildworker.exchange import Response
from buildworker.outbound import Outbound
from models.errors import Invalid, Upstream

TIMEOUT_S = 5.0
LONGEST_S = 10.0
MOST_BYTES = 512 * 1024
Json = dict[str, Any]


class JsonWeb:
    """Asks for JSON objects. `subject` begins every message of what goes wrong: Upstream, or Invalid from the guard."""

    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound

    def get(self, url: str, *, subject: str, headers: Mapping[str, str] | None = None) -> Json:
        """What the URL answers with 200."""
        with self._outbound.get(
            url,
            max_bytes=MOST_BYTES,
            timeout_s=TIMEOUT_S,
            deadline=time.monotonic() + LONGEST_S,
            subject=subject,
            headers={"Accept": "application/json", **(headers or {})},
        ) as response:
            return _read(response, url, subject)

    def post(self, url: str, form: str, *, subject: str, headers: Mapping[str, str]) -> Json:
        """What the URL answers to a form, with 200; it is not sent on to where a redirect leads."""
        with self._outbound.send(
            "POST",
            url,
            form.encode(),
            max_bytes=MOST_BYTES,
            timeout_s=TIMEOUT_S,
            deadline=time.monotonic() + LONGEST_S,
            subject=subject,
            headers={
                "Accept": "application/json",
                "Content-Type": "application/x-www-form-urlencoded",
                **headers,
            },
        ) as response:
            return _read(response, url, subject)


def _read(response: Response, url: str, subject: str) -> Json:
    where = f"{subject}: {urlsplit(url).hostname}"
    try:
        content = b"".join(response.blocks())
    except Invalid as exc:  # too large, which is not the caller's fault
        raise Upstream(exc.detail) from exc
    if response.status != 200:
        raise Upstream(f"{where} answered {response.status}{_reason(content)}")
    answer = _object(content)
    if answer is None:
        raise Upstream(f"{where} did not answer with a JSON object")
    return answer


def _object(content: bytes) -> Json | None:
    try:
        answer = json.loads(content)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _reason(content: bytes) -> str:
    """OAuth's word for what is wrong, which holds no secret."""
    error = (_object(content) or {}).get("error")
    return f" ({error[:80]})" if isinstance(error, str) else ""
