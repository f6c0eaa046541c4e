"""The action log, read: by time, and by who did what kind of thing where."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, TextClause, or_, select, text

from models.avatars import avatar, avatar_of
from models.session import Session
from models.tables import Account, LogEntry

COMMONEST = "pull_repo"
SERVICE_KINDS = frozenset(
    {
        "service_key_create",
        "service_key_approve",
        "service_key_delete",
        "service_key_modify",
        "service_key_extend",
        "service_key_rotate",
    }
)
"""Kinds that are the installation's own affair; Quay leaves them out of users' logs."""
_IDS = 2**63
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Search:
    """Entries from `start` on and before `end`, of a namespace or repository if one is given.

    `performer` is matched by the name that it had then. `without`: kinds that are left out.
    """

    start: datetime
    end: datetime
    namespace_id: int | None = None
    repository_id: int | None = None
    performer: str | None = None
    kind: str | None = None
    without: frozenset[str] = frozenset()


def list_logs(session: Session, search: Search, *, after: int = 0, limit: int) -> list[LogEntry]:
    """What was found, the newest first, from the entry behind `after` on, which `place_of` told."""
    query = select(LogEntry).where(*_conditions(search))
    if after:
        since_epoch, id_ = divmod(after, _IDS)
        at = _EPOCH + since_epoch * _MICROSECOND
        query = query.where(LogEntry.at <= at, or_(LogEntry.at < at, LogEntry.id < id_))
    return list(session.scalars(query.order_by(LogEntry.at.desc(), LogEntry.id.desc()).limit(limit)))


def place_of(entry: LogEntry) -> int:
    """Where the entry is in the order of the log."""
    return (entry.at - _EPOCH) // _MICROSECOND * _IDS + entry.id


def accounts_in(session: Session, entries: Collection[LogEntry]) -> dict[int, Account]:
    """The performers and namespaces of the entries that are still there, by id."""
    ids = {id_ for entry in entries for id_ in (entry.performer_id, entry.namespace_id) if id_ is not None}
    found = session.scalars(select(Account).where(Account.id.in_(ids), Account.kind != "deleted"))
    return {account.id: account for account in found}


def shown(entry: LogEntry, accounts: Mapping[int, Account]) -> dict[str, Any]:
    """What is told of the entry, in Quay's words; `accounts` are those that `accounts_in` found.

    Who did it has the name of that time; the picture is that of the account, if it is still there.
    """
    told: dict[str, Any] = {"kind": entry.kind, "metadata": entry.detail, "ip": entry.ip, "datetime": entry.at}
    name = entry.performer
    if name is not None:
        account, is_robot = accounts.get(entry.performer_id or 0), "+" in name
        face = avatar_of(account) if account else avatar(name, name, "robot" if is_robot else "user")
        told["performer"] = {"kind": "user", "name": name, "is_robot": is_robot, "avatar": face._asdict()}
    return told


def _conditions(search: Search) -> list[ColumnElement[bool] | TextClause]:
    found: list[ColumnElement[bool] | TextClause] = [LogEntry.at >= search.start, LogEntry.at < search.end]
    if search.namespace_id is not None:
        found.append(LogEntry.namespace_id == search.namespace_id)
    if search.repository_id is not None:
        found.append(LogEntry.repository_id == search.repository_id)
    if search.performer is not None:
        found.append(LogEntry.performer == search.performer)
    if search.kind is not None:
        found.append(LogEntry.kind == search.kind)
        if search.kind != COMMONEST:  # spelled as in the indexes by kind, or a prepared statement does not use them
            found.append(text(f"kind <> '{COMMONEST}'"))
    if search.without:
        found.append(LogEntry.kind.not_in(search.without))
    return found
