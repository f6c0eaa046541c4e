"""The action log. An entry is written in the transaction of the change it records."""

from typing import Any

from sqlalchemy import insert

from models.access import Identity
from models.session import Session
from models.tables import Account, LogEntry, Repository
from models.tables.base import now

_NAMING = frozenset({"create_tag", "delete_tag", "move_tag", "revert_tag"})
"""Kinds whose entries tell who it was once more, as Quay's do."""
_INSERT = insert(LogEntry)


def record(
    session: Session,
    kind: str,
    /,
    *,
    actor: Identity,
    namespace: Account | None = None,
    repository: Repository | None = None,
    **detail: Any,
) -> None:
    """Note that `actor` did `kind` (one of Quay's log kinds) to the namespace or repository.

    `detail` is what Quay shows as the entry's metadata; the repository's and namespace's names are added to it, and
    what the actor's token is called.
    """
    record_all(session, [entry(kind, actor=actor, namespace=namespace, repository=repository, **detail)])


def record_all(session: Session, entries: list[dict[str, Any]]) -> None:
    """Write entries, made by `entry`, together."""
    if entries:
        session.run(_INSERT, entries)


def entry(
    kind: str,
    /,
    *,
    actor: Identity,
    namespace: Account | None = None,
    repository: Repository | None = None,
    **detail: Any,
) -> dict[str, Any]:
    """What `record` writes."""
    owner = repository.namespace if repository else namespace
    names = {"namespace": owner.name} if owner else {}
    if repository:
        names["repo"] = repository.name
    if kind in _NAMING and actor.performer:
        names["username"] = actor.performer
    return {
        "kind": kind,
        "at": now(),
        "namespace_id": owner.id if owner else None,
        "repository_id": repository.id if repository else None,
        "performer_id": actor.account_id,
        "performer": actor.performer,
        "ip": actor.ip,
        "detail": {**names, **detail, **dict(actor.log_detail)},
    }
