"""A real SMTP server, in a process of its own, and the mail that it took."""

import json
import secrets
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

from tests.services import process
from tests.services.ports import free_port
from tests.services.process import wait_until

_PROGRAM = Path(__file__).with_name("smtp_server.py")


@dataclass(frozen=True)
class Mail:
    """What the server took: the envelope, and the message."""

    sender: str
    recipients: list[str]
    message: EmailMessage

    @property
    def text(self) -> str:
        return str(self.message.get_content())


class Smtp:
    """A running server. What it does with a recipient, the recipient's name says: see `smtp_server.py`."""

    def __init__(self, port: int, folder: Path, username: str, password: str) -> None:
        self.port = port
        self.username = username
        self.password = password
        self._folder = folder

    @property
    def settings(self) -> dict[str, str]:
        """The settings that send mail here."""
        return {
            "FEATURE_MAILING": "true",
            "MAIL_SERVER": "127.0.0.1",
            "MAIL_PORT": str(self.port),
            "MAIL_USE_TLS": "false",
            "MAIL_USERNAME": self.username,
            "MAIL_PASSWORD": self.password,
            "MAIL_DEFAULT_SENDER": "Drydock <drydock@example.com>",
        }

    def mail_to(self, address: str) -> list[Mail]:
        """All that came for the address so far, in order."""
        return [mail for mail in self._mail() if address in mail.recipients]

    def await_mail_to(self, address: str, *, number: int = 1, seconds: float = 10) -> Mail:
        """The mail number `number` to the address, once it is there."""
        wait_until(lambda: len(self.mail_to(address)) >= number, seconds=seconds, pause=0.02)
        return self.mail_to(address)[number - 1]

    def _mail(self) -> Iterator[Mail]:
        for file in sorted(self._folder.glob("*.json")):
            taken = json.loads(file.read_text())
            message = message_from_bytes(taken["content"].encode("latin-1"), policy=default)
            assert isinstance(message, EmailMessage)
            yield Mail(taken["sender"], taken["recipients"], message)


@contextmanager
def smtp() -> Iterator[Smtp]:
    """Run a server of its own."""
    port, folder = free_port(), process.scratch_folder("smtp")
    username, password = "drydock", secrets.token_hex(8)
    argv = [sys.executable, _PROGRAM, port, folder, username, password]
    server = process.start("smtp", argv, ready=lambda: _greets(port), scratch=[folder])
    try:
        yield Smtp(port, folder, username, password)
    finally:
        server.stop()


def _greets(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            return connection.recv(3) == b"220"
    except OSError:
        return False
