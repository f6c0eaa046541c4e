"""What would have been mailed, read out of the outbox."""

import json
import re
from typing import NamedTuple

from sqlalchemy import delete, select

from models.mail import KIND
from models.session import Database
from models.tables import Delivery


class Letter(NamedTuple):
    to: str
    subject: str
    text: str

    @property
    def link(self) -> str:
        """Path and query of the one link with a code in it."""
        (found,) = re.findall(r"https?://[^/\s]+(/\S+\?code=\S+)", self.text)
        return str(found)

    @property
    def code(self) -> str:
        return self.link.partition("code=")[2]


def take_letters(database: Database) -> list[Letter]:
    """The mails in the outbox, oldest first, which are then no longer there."""
    with database.write() as session:
        rows = session.scalars(select(Delivery).where(Delivery.kind == KIND).order_by(Delivery.id)).all()
        session.execute(delete(Delivery))
        return [Letter(**json.loads(session.vault.decrypt(row.encrypted_message or ""))) for row in rows]
