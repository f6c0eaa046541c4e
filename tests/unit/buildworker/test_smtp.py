"""Mail over TLS to a real SMTP server; the way from the outbox is in tests/integration/deliveries."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from buildworker import smtp
from config.settings import Settings
from models.errors import Invalid, Upstream
from tests.services.ports import free_port


class _Taken(Message):
    """Keeps the subjects of what was taken, and who logged in."""

    def __init__(self) -> None:
        super().__init__()
        self.subjects: list[str] = []
        self.logins: list[object] = []

    def handle_message(self, message: Any) -> None:
        self.subjects.append(message["Subject"])

    def check(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: object
    ) -> AuthResult:
        self.logins.append(given)
        return AuthResult(success=given == LoginPassword(b"drydock", b"secret"))


@contextmanager
def serving(certificate: Path | None) -> Iterator[tuple[_Taken, int]]:
    """A server that takes nothing before STARTTLS; without a certificate, one that has no TLS."""
    taken = _Taken()
    options: dict[str, Any] = {}
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        options = {"tls_context": context, "require_starttls": True}
    port = free_port()
    tls = bool(certificate)
    controller = Controller(
        taken, "127.0.0.1", port, authenticator=taken.check, auth_required=tls, auth_require_tls=tls, **options
    )
    controller.start()
    try:
        yield taken, port
    finally:
        controller.stop()


def send(tmp_path: Path, port: int, server: str = "localhost") -> None:
    settings = Settings(
        DATA=tmp_path,
        FEATURE_MAILING=True,
        MAIL_SERVER=server,
        MAIL_PORT=port,
        MAIL_USERNAME="drydock",
        MAIL_PASSWORD="secret",  # type: ignore[arg-type]
    )
    smtp.send(settings, uuid="1", to="ann@example.com", subject="Hello", text="A text.\n")


def test_mail_and_password_go_over_tls(tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))  # the machine trusts it
    with serving(certificate) as (taken, port):
        send(tmp_path, port)
    assert (taken.subjects, len(taken.logins)) == (["Hello"], 1)


@pytest.mark.parametrize(
    ("trusted", "server", "told"),
    [(False, "localhost", "self-signed certificate"), (True, "127.0.0.1", "not valid for '127.0.0.1'")],
)
def test_a_server_that_cannot_prove_itself_gets_neither_mail_nor_password(
    tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch, *, trusted: bool, server: str, told: str
) -> None:
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with serving(certificate) as (taken, port), pytest.raises(Upstream, match="has no valid certificate") as refused:
        send(tmp_path, port, server)
    assert told in refused.value.detail
    assert (taken.subjects, taken.logins) == ([], [])


def test_a_server_without_tls_gets_neither_mail_nor_password(tmp_path: Path) -> None:
    with serving(None) as (taken, port), pytest.raises(Upstream, match="STARTTLS"):
        send(tmp_path, port)
    assert (taken.subjects, taken.logins) == ([], [])


@pytest.mark.parametrize(("to", "subject"), [("ann@example.com", "Hello\r\nBcc: eve@example.com"), ("a@b\nc", "Hello")])
def test_a_header_cannot_be_smuggled_in(tmp_path: Path, to: str, subject: str) -> None:
    with pytest.raises((Invalid, ValueError)):
        smtp.send(Settings(DATA=tmp_path, FEATURE_MAILING=True), uuid="1", to=to, subject=subject, text="A text.\n")
