"""Messages of superusers to everybody."""

from sqlalchemy import delete, select

from models.session import Session
from models.tables import Message
from models.tables.messages import MediaType, Severity


def list_messages(session: Session) -> list[Message]:
    """All messages, newest first. Quay operation getGlobalMessages."""
    return list(session.scalars(select(Message).order_by(Message.id.desc())))


def create_message(session: Session, content: str, *, severity: Severity, media_type: MediaType) -> None:
    """Show `content` to everybody from now on. Quay knows no log kind for it. Quay operation createGlobalMessage."""
    session.add(Message(content=content, severity=severity, media_type=media_type))


def remove_message(session: Session, uuid: str) -> None:
    """Show the message no longer; no error if there is none. Quay operation deleteGlobalMessage."""
    session.execute(delete(Message).where(Message.uuid == uuid))
