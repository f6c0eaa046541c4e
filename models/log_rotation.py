"""Old entries of the action log, on their way out of the database: found, written as lines, removed."""

import gzip
import json
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select

from models.log_counts import counted_until
from models.session import Session
from models.tables import LogEntry

SLICE = 5_000
"""Entries of one file."""


def oldest_entries(session: Session, before: datetime, *, limit: int = SLICE) -> list[LogEntry]:
    """The oldest entries before a time. Those that are in no daily count yet stay."""
    until = min(before, counted_until(session))
    query = select(LogEntry).where(LogEntry.at < until).order_by(LogEntry.at, LogEntry.id)
    return list(session.scalars(query.limit(limit)))


def archive_path(folder: str, entries: Sequence[LogEntry]) -> str:
    """Where the entries are kept: the same ones have the same place, however often they are written."""
    first, last = entries[0], entries[-1]
    return f"{folder}/{first.at:%Y/%m}/{first.at:%Y%m%dT%H%M%S}-{first.id}-{last.id}-{len(entries)}.jsonl.gz"


def archived(entries: Sequence[LogEntry]) -> bytes:
    """The entries as JSON, one a line, compressed."""
    lines = "".join(f"{_line(entry)}\n" for entry in entries)
    return gzip.compress(lines.encode(), mtime=0)


def remove_entries(session: Session, entries: Sequence[LogEntry]) -> None:
    """Remove them from the log. Daily counts go on to count them."""
    ids = [entry.id for entry in entries]
    session.execute(delete(LogEntry).where(LogEntry.id.in_(ids)).execution_options(synchronize_session=False))


def _line(entry: LogEntry) -> str:
    told = {
        "id": entry.id,
        "kind": entry.kind,
        "datetime": entry.at.isoformat(),
        "namespace_id": entry.namespace_id,
        "repository_id": entry.repository_id,
        "performer_id": entry.performer_id,
        "performer": entry.performer,
        "ip": entry.ip,
        "metadata_json": entry.detail,
    }
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))
