"""Tags: what a name means now, what it meant before, and the moment each meaning began and ended."""

import time
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from sqlalchemy import ColumnElement, Executable, Integer, and_, bindparam, or_, select, update
from sqlalchemy.orm import contains_eager

from models import audit
from models.access import Identity
from models.dialect import insert_or_leave
from models.errors import Conflict, NotFound, TagImmutable
from models.immutability import is_fixed
from models.prepared import among
from models.queries import Query
from models.session import Session
from models.tables import Manifest, Repository, Tag


class ListedTag(NamedTuple):
    """A stretch of a tag's life, and of its manifest what is shown beside it."""

    name: str
    start_ms: int
    end_ms: int | None
    expires_ms: int | None
    reversion: bool
    immutable: bool
    digest: str
    is_index: bool
    image_size: int


@dataclass(frozen=True)
class TagPage:
    """One page of tags, and whether there are more."""

    tags: list[ListedTag]
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


_PRESENT = (
    select(Tag.repository_id, Tag.name, Tag.id, Tag.manifest_id, Tag.expires_ms, Tag.immutable)
    .where(
        among(Tag.repository_id, "repository_ids"),
        among(Tag.name, "names"),
        Tag.end_ms.is_(None),
    )
    .order_by(Tag.repository_id, Tag.name)  # in which order transactions that want several wait for each other
)
MOST_TURNS = 100
_LOCK_PRESENT = _PRESENT.with_for_update()
_END = update(Tag).where(Tag.id == bindparam("ended")).values(end_ms=bindparam("moment"))
_PROLONG = update(Tag).where(Tag.id == bindparam("present")).values(expires_ms=bindparam("until"))
_FIX = _PROLONG.values(immutable=True)


@dataclass(frozen=True)
class TagPush:
    """A name that is to mean a manifest from now on; the tag lives for `lifetime_s` seconds, or without an end.

    `immutable`: nobody may change it any more, and it does not end. `reversion`: it meant that before.
    """

    repository: Repository
    name: str
    manifest_id: int
    digest: str
    actor: Identity
    lifetime_s: int | None = None
    immutable: bool = False
    reversion: bool = False

    @property
    def key(self) -> tuple[int, str]:
        return self.repository.id, self.name


def put_tag(
    session: Session, repository: Repository, name: str, manifest_id: int, digest: str, *, actor: Identity
) -> None:
    """Let the name mean the manifest from now on; see `put_tags`."""
    audit.record_all(session, put_tags(session, [TagPush(repository, name, manifest_id, digest, actor)]))


def put_tags(session: Session, pushes: list[TagPush]) -> list[dict[str, Any]]:
    """Let names, all different, mean manifests from now on; what they meant becomes history. TagImmutable.

    Of a name that means its manifest already only lifetime, from now on, or immutability is noted. The entries for the
    action log.
    """
    entries: list[dict[str, Any]] = []
    left = {push.key: push for push in pushes}
    for _ in range(MOST_TURNS):
        if not left:
            return entries
        present = _present(session, _LOCK_PRESENT, set(left))
        moment = now_ms()  # after those for which we waited
        kept = {key for key, push in left.items() if _keeps(push, present.get(key), moment)}
        entries += [entry for key in kept for entry in _renew(session, left[key], present[key], moment)]
        moved = [push for key, push in left.items() if key not in kept]
        _end_present(session, [present[push.key] for push in moved if push.key in present], moment)
        fixed = {push.key for push in moved if is_fixed(session, push.repository, push.name)}
        rows = [_started(push, moment, fixed=push.immutable or push.key in fixed) for push in moved]
        started = _start(session, rows)
        entries += [_entry(push, moves=push.key in present) for push in moved if push.key in started]
        entries += [
            _fixing(push, by_policy=push.key in fixed)
            for push in moved
            if push.key in started and (push.immutable or push.key in fixed)
        ]
        # Where another transaction has given the name a present while we waited for it, that one is found now.
        left = {push.key: push for push in moved if push.key not in started}
    raise Conflict(f"too many pushes of the tag {min(left)[1]} at once; try again")


def _end_present(session: Session, rows: list[Any], moment: int) -> None:
    if rows:
        ends = [{"ended": row.id, "moment": moment if _alive(row, moment) else row.expires_ms} for row in rows]
        session.run(_END, ends)


def _start(session: Session, rows: list[dict[str, Any]]) -> set[tuple[int, str]]:
    """Begin the tags, none of which has a present; those of which none has got one in the meantime."""
    if not rows:
        return set()
    insert = insert_or_leave(session.get_bind().dialect.name, Tag, returning=("repository_id", "name"))
    ordered = sorted(rows, key=lambda row: (row["repository_id"], row["name"]))
    return {(row.repository_id, row.name) for row in session.run(insert, ordered)}


def _keeps(push: TagPush, present: Any | None, moment: int) -> bool:
    """Whether the name means the manifest already. TagImmutable if it may not mean another one."""
    if present is None or not _alive(present, moment):
        return False
    if present.manifest_id == push.manifest_id:
        return True
    if present.immutable:
        raise TagImmutable(push.name)
    return False


def _renew(session: Session, push: TagPush, present: Any, moment: int) -> list[dict[str, Any]]:
    """Note what the push of a name asks for that means its manifest already; the entries for the action log."""
    if present.immutable:
        return []
    if push.immutable:
        session.run(_FIX, {"present": present.id, "until": None})
        return [_fixing(push)]
    if push.lifetime_s is not None:
        session.run(_PROLONG, {"present": present.id, "until": moment + push.lifetime_s * 1000})
    return []


def _alive(present: Any, moment: int) -> bool:
    return present.expires_ms is None or present.expires_ms > moment


def _started(push: TagPush, moment: int, *, fixed: bool) -> dict[str, Any]:
    """The tag's new row. `fixed`: policy or label makes it immutable, and then it does not expire."""
    return {
        "repository_id": push.repository.id,
        "name": push.name,
        "manifest_id": push.manifest_id,
        "start_ms": moment,
        "expires_ms": None if push.lifetime_s is None or fixed else moment + push.lifetime_s * 1000,
        "reversion": push.reversion,
        "immutable": fixed,
    }


def _entry(push: TagPush, *, moves: bool) -> dict[str, Any]:
    kind = "revert_tag" if push.reversion else "move_tag" if moves else "create_tag"
    return audit.entry(kind, actor=push.actor, repository=push.repository, tag=push.name, manifest_digest=push.digest)


def _fixing(push: TagPush, *, by_policy: bool = False) -> dict[str, Any]:
    kind = "tag_made_immutable_by_policy" if by_policy else "change_tag_immutability"
    how: dict[str, Any] = {} if by_policy else {"immutable": True}
    return audit.entry(
        kind, actor=push.actor, repository=push.repository, tag=push.name, manifest_digest=push.digest, **how
    )


def _present(session: Session, query: Executable, wanted: set[tuple[int, str]]) -> dict[tuple[int, str], Any]:
    values = {"repository_ids": sorted({id_ for id_, _ in wanted}), "names": sorted({name for _, name in wanted})}
    found = {(row.repository_id, row.name): row for row in session.run(query, values)}
    return {key: found[key] for key in wanted & found.keys()}


def lock_tag(session: Session, repository: Repository, name: str) -> Tag:
    """The tag as it is now, and until this transaction ends; NotFound.

    On PostgreSQL a row that another transaction ends while we wait for it is found no longer, and the one that this
    transaction began is found by looking again. Under many pushes of one tag that may happen several times.
    """
    wanted = {(repository.id, name)}
    for _ in range(MOST_TURNS):
        locked = _present(session, _LOCK_PRESENT, wanted)
        tag = find_tag(session, repository, name) if locked else None
        if tag is not None:
            return tag
        if locked or not _present(session, _PRESENT, wanted):
            raise NotFound(f"tag {name} does not exist")
    raise Conflict(f"too many pushes of the tag {name} at once; try again")


def remove_tag(session: Session, repository: Repository, name: str, *, actor: Identity) -> None:
    """End the tag; NotFound, TagImmutable."""
    tag = lock_tag(session, repository, name)
    if tag.immutable:
        raise TagImmutable(name)
    _end(tag, now_ms())
    digest = tag.manifest.digest
    audit.record(session, "delete_tag", actor=actor, repository=repository, tag=name, digest=digest)


def end_tags_of(session: Session, repository: Repository, manifest: Manifest, *, actor: Identity) -> list[str]:
    """End every tag that means the manifest; their names. TagImmutable if one of them is."""
    present = select(Tag).where(Tag.manifest_id == manifest.id, Tag.end_ms.is_(None))
    tags = list(session.scalars(present.order_by(Tag.id).with_for_update()))
    fixed = sorted(tag.name for tag in tags if tag.immutable)
    if fixed:
        raise TagImmutable(fixed[0])
    for tag in tags:
        _end(tag, now_ms())
        digest = manifest.digest
        audit.record(session, "delete_tag", actor=actor, repository=repository, tag=tag.name, digest=digest)
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


_LISTED = (
    select(Tag.name, Tag.start_ms, Tag.end_ms, Tag.expires_ms, Tag.reversion, Tag.immutable)
    .add_columns(Manifest.digest, Manifest.is_index, Manifest.image_size)
    .join(Tag.manifest)
    .where(Tag.repository_id == bindparam("repository_id"))
    .order_by(Tag.start_ms.desc(), Tag.id.desc())
    .offset(bindparam("skipped", type_=Integer))
    .limit(bindparam("most", type_=Integer))
)
_ALL = Query(_LISTED, ListedTag)
_ALIVE = Query(
    _LISTED.where(Tag.end_ms.is_(None), or_(Tag.expires_ms.is_(None), Tag.expires_ms > bindparam("now_ms"))), ListedTag
)


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
    query = _ALIVE if only_active else _ALL
    values = {"repository_id": repository.id, "skipped": (page - 1) * limit, "most": limit + 1}
    if only_active:
        values["now_ms"] = now_ms()
    conditions = [] if specific is None else [Tag.name == specific]
    if name_filter is not None:
        conditions.append(_name_matches(*name_filter))
    if conditions:
        found = [ListedTag(*row) for row in session.execute(query.statement.where(*conditions), values)]
    else:
        found = session.ask(query, **values)
    return TagPage(found[:limit], page, len(found) > limit)


def _name_matches(kind: Literal["like", "eq"], text: str) -> ColumnElement[bool]:
    return Tag.name == text if kind == "eq" else Tag.name.contains(text, autoescape=True)


def _end(tag: Tag, moment: int) -> None:
    tag.end_ms = moment if tag.expires_ms is None else min(moment, tag.expires_ms)
