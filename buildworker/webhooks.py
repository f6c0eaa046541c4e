"""What a webhook gets: signed as Standard Webhooks has it, so that receivers know us and can tell what is new."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from buildworker.outbound import Outbound
from models.deliveries import Outcome
from models.errors import DomainError, Upstream
from models.notifications import key_of

TIMEOUT_S = 10.0
MOST_OF_AN_ANSWER = 4096
MOST_OF_A_BODY = 64 * 1024
_GONE = 410  # a receiver that wants nothing more


def signed(secret: str | None, message_id: str, body: bytes, *, moment: int) -> dict[str, str]:
    """The headers that say who sent the body and when; none without a secret."""
    if not secret:
        return {}
    content = f"{message_id}.{moment}.".encode() + body
    signature = base64.b64encode(hmac.new(key_of(secret), content, hashlib.sha256).digest()).decode()
    return {"webhook-id": message_id, "webhook-timestamp": str(moment), "webhook-signature": f"v1,{signature}"}


def post_json(
    outbound: Outbound, url: str, content: Any, *, secret: str | None, message_id: str, shown: str
) -> Outcome:
    """POST the JSON once. `shown`: what the log shows of the URL."""
    body = json.dumps(content).encode()
    headers = {"Content-Type": "application/json", **signed(secret, message_id, body, moment=int(time.time()))}
    request = {"method": "POST", "url": shown, "headers": headers, "body": body[:MOST_OF_A_BODY].decode()}
    bare, login = _apart(url)
    try:
        return _answered(outbound, bare, body, headers | login, request)
    except DomainError as exc:
        return Outcome(error=exc.detail, final=not isinstance(exc, Upstream), request=request)


def _answered(
    outbound: Outbound, url: str, body: bytes, headers: Mapping[str, str], request: dict[str, Any]
) -> Outcome:
    with outbound.send(
        "POST",
        url,
        body,
        max_bytes=MOST_OF_AN_ANSWER,
        timeout_s=TIMEOUT_S,
        deadline=time.monotonic() + TIMEOUT_S,
        headers=headers,
    ) as response:
        status = response.status
        # A NUL is what PostgreSQL does not store.
        answer = response.beginning().decode(errors="replace").replace("\0", "\ufffd")
    error = None if 200 <= status < 300 else f"url: the receiver answered with status {status}"
    return Outcome(error, status == _GONE, request, status, answer)


def _apart(url: str) -> tuple[str, dict[str, str]]:
    """The URL without user name and password, and the header that says them."""
    parts = urlsplit(url)
    login, at, place = parts.netloc.rpartition("@")
    if not at:
        return url, {}
    sealed = base64.b64encode(unquote(login).encode()).decode()
    bare = urlunsplit((parts.scheme, place, parts.path, parts.query, ""))
    return bare, {"Authorization": f"Basic {sealed}"}


def without_path(url: str) -> str:
    """The same of a URL whose path is what opens it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/…"
