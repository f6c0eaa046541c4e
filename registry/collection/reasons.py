"""Why a blob or a manifest is kept, for people who wonder where their disk went."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from models.build_cache import KEPT_UNUSED
from models.session import Session
from models.tables import (
    Account,
    Blob,
    BuildCache,
    Manifest,
    ManifestBlob,
    ManifestChild,
    Repository,
    RepositoryBlob,
    Tag,
)
from models.tags import now_ms
from registry.collection.terms import Terms

MOST = 20
"""Reasons of one kind that are told; of the others, that there are more."""
DEEPEST = 6


def why_kept(session: Session, digest: str, terms: Terms) -> list[str]:
    """Everything that keeps the blob or manifest of that digest, a line each, indented; empty if it is not here."""
    lines = [line for row in _manifests(session, digest) for line in _manifest(session, row, terms)]
    blob = session.execute(select(Blob.id, Blob.size, Blob.path).where(Blob.digest == digest)).first()
    if blob is not None:
        lines.append(f"blob of {blob.size} bytes at {blob.path}")
        lines += _indented(_links(session, blob.id, terms))
    return lines


def _links(session: Session, blob_id: int, terms: Terms) -> Iterator[str]:
    query = (
        select(RepositoryBlob.repository_id, RepositoryBlob.linked_at, *_PATH)
        .join(Repository, Repository.id == RepositoryBlob.repository_id)
        .join(Account, Account.id == Repository.namespace_id)
        .where(RepositoryBlob.blob_id == blob_id)
        .order_by(RepositoryBlob.repository_id)
    )
    rows = session.execute(query.limit(MOST + 1)).all()
    for row in rows[:MOST]:
        yield f"in {_path(row)}"
        yield from _indented(_needs(session, row.repository_id, blob_id, terms))
        yield from _indented(_protection(row.linked_at, terms, "pushed, mounted or asked for"))
    yield from _more(rows)
    if not rows:
        yield "nothing needs it: the next collection takes it"


def _needs(session: Session, repository_id: int, blob_id: int, terms: Terms) -> Iterator[str]:
    needed = select(ManifestBlob.manifest_id).where(
        ManifestBlob.repository_id == repository_id, ManifestBlob.blob_id == blob_id
    )
    rows = session.execute(_MANIFEST.where(Manifest.id.in_(needed)).order_by(Manifest.id).limit(MOST + 1)).all()
    for row in rows[:MOST]:
        yield from _manifest(session, row, terms)
    yield from _more(rows)
    if not rows:
        yield "no manifest there needs it"


def _manifests(session: Session, digest: str) -> list[Any]:
    return list(session.execute(_MANIFEST.where(Manifest.digest == digest).order_by(Manifest.id).limit(MOST)))


def _manifest(session: Session, row: Any, terms: Terms, seen: frozenset[int] = frozenset()) -> Iterator[str]:
    """The manifest, and below it what keeps it."""
    state = ", deleted" if row.deleted_at else ""
    yield f"manifest {row.digest} in {_path(row)}{state}"
    if row.id in seen or len(seen) >= DEEPEST:
        yield "  and so on"
        return
    reasons = [
        *_tags(session, row.id, row.tag_expiration_s),
        *_builds(session, row.id),
        *_protection(row.touched_at, terms, "pushed or asked for"),
        *_above(session, row, terms, seen | {row.id}),
    ]
    yield from _indented(reasons or ["nothing keeps it: the next collection takes it"])


def _tags(session: Session, manifest_id: int, keeps_s: int) -> Iterator[str]:
    query = select(Tag.name, Tag.end_ms, Tag.expires_ms).where(Tag.manifest_id == manifest_id)
    rows = session.execute(query.order_by(Tag.end_ms.is_not(None), Tag.id.desc()).limit(MOST + 1)).all()
    for name, end_ms, expires_ms in rows[:MOST]:
        end = expires_ms if end_ms is None else end_ms
        if end is None:
            yield f"tag {name} names it"
        elif end > now_ms():
            yield f"tag {name} names it until {_moment(end)}"
        else:
            yield f"tag {name} named it until {_moment(end)}, and can be restored until {_moment(end + keeps_s * 1000)}"
    yield from _more(rows)


def _builds(session: Session, manifest_id: int) -> Iterator[str]:
    if used_at := session.scalar(select(BuildCache.used_at).where(BuildCache.manifest_id == manifest_id).limit(1)):
        yield f"builds take steps from it, at the latest until {_told(used_at + KEPT_UNUSED)} if none does"


def _above(session: Session, row: Any, terms: Terms, seen: frozenset[int]) -> Iterator[str]:
    named = select(ManifestChild.parent_id).where(ManifestChild.child_id == row.id)
    indexes = session.execute(_MANIFEST.where(Manifest.id.in_(named)).order_by(Manifest.id).limit(MOST + 1)).all()
    for index in indexes[:MOST]:
        yield "an index names it:"
        yield from _indented(_manifest(session, index, terms, seen))
    yield from _more(indexes)
    if row.subject is None:
        return
    mine = (Manifest.repository_id == row.repository_id, Manifest.digest == row.subject)
    for subject in session.execute(_MANIFEST.where(*mine)):
        yield "it belongs to its subject:"
        yield from _indented(_manifest(session, subject, terms, seen))


def _protection(since: datetime, terms: Terms, how: str) -> Iterator[str]:
    if since > terms.unprotected:
        yield f"{how} a short while ago, protected until {_told(since + terms.protection)}"


def _indented(lines: Any) -> Iterator[str]:
    return (f"  {line}" for line in lines)


def _more(rows: Any) -> Iterator[str]:
    if len(rows) > MOST:
        yield "and more of that kind"


def _path(row: Any) -> str:
    gone = row.state == "MARKED_FOR_DELETION"
    return "a repository that was deleted" if gone else f"{row.namespace}/{row.repository}"


def _moment(ms: int) -> str:
    return _told(datetime.fromtimestamp(ms // 1000, UTC))


def _told(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


_PATH = (Account.name.label("namespace"), Repository.name.label("repository"), Repository.state)
_MANIFEST = (
    select(
        Manifest.id,
        Manifest.repository_id,
        Manifest.digest,
        Manifest.subject,
        Manifest.deleted_at,
        Manifest.touched_at,
        Account.tag_expiration_s,
        *_PATH,
    )
    .join(Repository, Repository.id == Manifest.repository_id)
    .join(Account, Account.id == Repository.namespace_id)
)
