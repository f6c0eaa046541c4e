"""What tests ask of answers, the log and the database, whatever the operation."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from sqlalchemy import event, select

from models.session import Database
from models.tables import LogEntry
from tests.factories.api import Answered, Api

PROBLEM = {"message", "detail", "error_message", "error_type", "title", "type", "status"}


def entries(api: Api, kind: str) -> list[LogEntry]:
    with api.database.read() as session:
        return list(session.scalars(select(LogEntry).where(LogEntry.kind == kind).order_by(LogEntry.id)))


def refused(answer: Answered, status: int, *names: str) -> bool:
    told = f"{answer.status} {answer.text}"
    assert answer.status == status, told
    assert answer.body.keys() >= PROBLEM, told
    assert all(name in answer.body["detail"] for name in names), told
    return True


def counted(api: Api) -> AbstractContextManager[list[str]]:
    """The statements that are executed in the block."""
    return executed(api.database)


@contextmanager
def executed(database: Database) -> Iterator[list[str]]:
    """The same of a database."""
    seen: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(database.engine, "before_cursor_execute", note)
