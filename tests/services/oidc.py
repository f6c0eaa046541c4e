"""A real OpenID Connect provider, in a process of its own, and a person who signs in there."""

import json
import secrets
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from config.people import LoginService
from tests.services import process
from tests.services.ports import free_port

_PROGRAM = Path(__file__).with_name("oidc_server.py")


class Oidc:
    """A running provider. What it does with a person, the person's name says: see `oidc_server.py`."""

    def __init__(self, port: int, client_id: str, client_secret: str) -> None:
        self.port = port
        self.issuer = f"http://127.0.0.1:{port}/realm"
        self.config = {
            "OIDC_SERVER": f"{self.issuer}/",
            "CLIENT_ID": client_id,
            "CLIENT_SECRET": client_secret,
            "SERVICE_NAME": "Our Keycloak",
        }
        """A value for KEYCLOAK_LOGIN_CONFIG."""

    @property
    def service(self) -> LoginService:
        return LoginService.model_validate(self.config)

    def sign_in(self, url: str, name: str) -> str:
        """Where the provider sends the browser that came by `url` once somebody has typed the name."""
        form = dict(parse_qsl(urlsplit(url).query)) | {"name": name}
        opener = urllib.request.build_opener(_NoRedirect)
        with opener.open(url.partition("?")[0], urlencode(form).encode(), timeout=10) as answer:
            return str(answer.headers["Location"])

    def change_key(self, algorithm: str = "RS256") -> None:
        """Sign with another key from now on."""
        form = urlencode({"algorithm": algorithm}).encode()
        urllib.request.urlopen(f"http://127.0.0.1:{self.port}/keys", form, timeout=10).close()

    def asked(self, path: str) -> int:
        """How often the path below the issuer has been asked for."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/asked", timeout=10) as answer:
            counts: dict[str, int] = json.load(answer)
        return counts.get(f"/realm/{path}", 0)


class _NoRedirect(urllib.request.HTTPErrorProcessor):
    def http_response(self, request: Any, response: Any) -> Any:
        return response


@contextmanager
def oidc() -> Iterator[Oidc]:
    """Run a provider of its own."""
    port, client_id, client_secret = free_port(), "drydock", secrets.token_hex(16)
    argv = [sys.executable, _PROGRAM, port, client_id, client_secret]
    server = process.start("oidc", argv, ready=lambda: _answers(port))
    try:
        yield Oidc(port, client_id, client_secret)
    finally:
        server.stop()


def _answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/asked", timeout=2).close()
    except OSError:
        return False
    return True
