"""Tags: what a name means now, what it meant before, and the moment each meaning began and ended."""

import time
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Row, and_, bindparam, func, insert, or_, select, update
from sqlalchemy.orm import contains_eager

from models import audit
from models.access import Identity
from models.errors import Conflict, NotFound, TagImmutable
from models.session import Session
from models.tables import Manifest, Repository, Tag


@dataclass(frozen=True)
class TagPage:
    """One page of tags, and whether there are more."""

    tags: list[Tag]
    page: int
    has_additional: bool


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def alive(at_ms: int | None = None) -> ColumnElement[bool]:
    """The condition on Tag rows that they are in force."""
    moment = now_ms() if at_ms is None else at_ms
    return and_(Tag.end_ms.is_(None), or_(Tag.expires_ms.is_(None), Tag.expires_ms > moment))


def find_tag(session: Session, repository: Repository, name: str) -> Tag | None:
    """The tag as it is now, with its manifest."""
    return session.scalar(
        select(Tag)
        .join(Tag.manifest)
        .options(contains_eager(Tag.manifest))
        .where(Tag.repository_id == repository.id, Tag.name == name, alive())
    )


_PRESENT = select(Tag.id, Tag.manifest_id, Tag.expires_ms, Tag.immutable).where(
    Tag.repository_id == bindparam("repository_id"), Tag.name == bindparam("name"), Tag.end_ms.is_(None)
)
MOST_TURNS = 100
_LOCK_PRESENT = _PRESENT.with_for_update()
_END = update(Tag).where(Tag.id == bindparam("ended")).values(end_ms=bindparam("moment"))
_START = insert(Tag)


_PROLONG = update(Tag).where(Tag.id == bindparam("present")).values(expires_ms=bindparam("until"))


def put_tag(
    session: Session,
    repository: Repository,
    name: str,
    manifest_id: int,
    digest: str,
    *,
    actor: Identity,
    lifetime_s: int | None = None,
    reversion: bool = False,
) -> None:
    """Let the name mean the manifest from now on; what it meant before becomes history. TagImmutable.

    If it means that already, only `lifetime_s`, in seconds from now, is noted. `reversion`: it meant that before.
    """
    present = _lock_present(session, repository.id, name)
    moment = now_ms()  # after those for which we waited
    if present is not None:
        alive = present.expires_ms is None or present.expires_ms > moment
        if alive and present.manifest_id == manifest_id:
            if lifetime_s is not None and not present.immutable:
                session.run(_PROLONG, {"present": present.id, "until": moment + lifetime_s * 1000})
            return
        if alive and present.immutable:
            raise TagImmutable(name)
        session.run(_END, {"ended": present.id, "moment": moment if alive else present.expires_ms})
    row = {
        "repository_id": repository.id,
        "name": name,
        "manifest_id": manifest_id,
        "start_ms": moment,
        "expires_ms": None if lifetime_s is None else moment + lifetime_s * 1000,
        "reversion": reversion,
    }
    session.run(_START, row)
    kind = "revert_tag" if reversion else "create_tag" if present is None else "move_tag"
    audit.record(session, kind, actor=actor, repository=repository, tag=name, manifest_digest=digest)


def _lock_present(session: Session, repository_id: int, name: str) -> Row[Any] | None:
    """The tag's present, locked; None if it has none.

    On PostgreSQL a row that another transaction ends while we wait for it is found no longer, and the one that this
    transaction began is found by looking again. Under many pushes of one tag that may happen several times.
    """
    wanted = {"repository_id": repository_id, "name": name}
    for _ in range(MOST_TURNS):
        present = session.run(_LOCK_PRESENT, wanted).first()
        if present is not None or session.run(_PRESENT, wanted).first() is None:
            return present
    raise Conflict(f"too many pushes of the tag {name} at once; try again")


def lock_tag(session: Session, repository: Repository, name: str) -> Tag:
    """The tag as it is now, and until this transaction ends; NotFound."""
    present = _lock_present(session, repository.id, name)
    tag = None if present is None else find_tag(session, repository, name)
    if tag is None:
        raise NotFound(f"tag {name} does not exist")
    return tag


def remove_tag(session: Session, repository: Repository, name: str, *, actor: Identity) -> None:
    """End the tag; NotFound, TagImmutable."""
    tag = lock_tag(session, repository, name)
    if tag.immutable:
        raise TagImmutable(name)
    _end(tag, now_ms())
    audit.record(session, "delete_tag", actor=actor, repository=repository, tag=name)


def end_tags_of(session: Session, repository: Repository, manifest: Manifest, *, actor: Identity) -> list[str]:
    """End every tag that means the manifest; their names. TagImmutable if one of them is."""
    present = select(Tag).where(Tag.manifest_id == manifest.id, Tag.end_ms.is_(None))
    tags = list(session.scalars(present.order_by(Tag.id).with_for_update()))
    fixed = sorted(tag.name for tag in tags if tag.immutable)
    if fixed:
        raise TagImmutable(fixed[0])
    for tag in tags:
        _end(tag, now_ms())
        audit.record(session, "delete_tag", actor=actor, repository=repository, tag=tag.name)
    return [tag.name for tag in tags]


def end_expired(session: Session) -> int:
    """Write down the end of tags whose time has come; how many."""
    due = and_(Tag.end_ms.is_(None), Tag.expires_ms <= now_ms())
    ended = session.execute(update(Tag).where(due).values(end_ms=Tag.expires_ms).returning(Tag.id))
    return len(ended.all())


TAG_NAMES = (
    select(Tag.name)
    .where(
        Tag.repository_id == bindparam("repository_id"),
        Tag.name > bindparam("after"),
        Tag.end_ms.is_(None),
        or_(Tag.expires_ms.is_(None), Tag.expires_ms > bindparam("now_ms")),
    )
    .order_by(Tag.name)
    .limit(bindparam("most"))
)


def list_tag_names(session: Session, repository_id: int, *, after: str = "", limit: int) -> list[str]:
    """The names of living tags in byte order, from the one behind `after`."""
    values = {"repository_id": repository_id, "after": after, "now_ms": now_ms(), "most": limit}
    return list(session.scalars(TAG_NAMES, values))


def list_tags(
    session: Session,
    repository: Repository,
    *,
    page: int = 1,
    limit: int = 50,
    specific: str | None = None,
    name_filter: tuple[Literal["like", "eq"], str] | None = None,
    only_active: bool = False,
) -> TagPage:
    """Present and past tags with their manifests, newest first. Quay operation listRepoTags.

    `page` counts from 1, `limit` is at most 100; `specific` and `name_filter` limit the names.
    """
    query = (
        select(Tag).join(Tag.manifest).options(contains_eager(Tag.manifest)).where(Tag.repository_id == repository.id)
    )
    if specific is not None:
        query = query.where(Tag.name == specific)
    if name_filter is not None:
        query = query.where(_name_matches(*name_filter))
    if only_active:
        query = query.where(alive())
    query = query.order_by(Tag.start_ms.desc(), Tag.id.desc()).offset((page - 1) * limit).limit(limit + 1)
    tags = list(session.scalars(query))
    return TagPage(tags[:limit], page, len(tags) > limit)


def count_tags(session: Session, repository: Repository) -> int:
    query = select(func.count()).select_from(Tag).where(Tag.repository_id == repository.id, alive())
    return session.scalar(query) or 0


def _name_matches(kind: Literal["like", "eq"], text: str) -> ColumnElement[bool]:
    return Tag.name == text if kind == "eq" else Tag.name.contains(text, autoescape=True)


def _end(tag: Tag, moment: int) -> None:
    tag.end_ms = moment if tag.expires_ms is None else min(moment, tag.expires_ms)
