"""The process behind `smtp.py`: takes mail and writes each to a file. PORT FOLDER USERNAME PASSWORD.

Recipients whose name begins with `nobody` are refused for good, those with `later` at the first time.
"""

import asyncio
import itertools
import json
import sys
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


class Handler:
    """Decides about recipients and keeps what it takes in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._refused: set[str] = set()

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith("nobody"):
            return "550 no such mailbox"
        if address.startswith("later") and address not in self._refused:
            self._refused.add(address)
            return "451 try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        taken = {"sender": envelope.mail_from, "recipients": envelope.rcpt_tos, "content": content.decode("latin-1")}
        file = self._folder / f"{next(self._numbers):06}.json"
        partial = file.with_suffix(".part")
        partial.write_text(json.dumps(taken))
        partial.rename(file)
        return "250 OK"


async def serve(port: int, folder: Path, username: str, password: str) -> None:
    handler = Handler(folder)

    def check(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: Any) -> AuthResult:
        wanted = LoginPassword(username.encode(), password.encode())
        return AuthResult(success=isinstance(given, LoginPassword) and given == wanted)

    def protocol() -> SMTP:
        return SMTP(
            handler,
            hostname="localhost",
            authenticator=check,
            auth_required=True,
            auth_require_tls=False,
            enable_SMTPUTF8=True,
        )

    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]))
