"""Ending tags as auto-prune policies say.

Only tags that nobody protects: immutable ones are neither ended nor counted, nor are the tags by which cosign attaches
signatures to images (`sha256-….sig`), which end with the last tag of their image. An ended tag can be restored for as
long as its namespace keeps history.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, select, update
from sqlalchemy.orm import InstrumentedAttribute, joinedload

from config.units import parse_duration
from models import audit
from models.access import Identity
from models.patterns import Selector
from models.session import Session
from models.tables import Account, Manifest, ManifestChild, PrunePolicy, Repository, Tag
from models.tables.base import now
from models.tables.policies import PruneMethod
from models.tags import alive, now_ms

SLICE = 500
"""Tags that end in one transaction."""
REPOSITORIES = 20
"""Repositories that are looked at in one transaction, unless tags end there."""
_ATTACHED = re.compile(r"sha256-[0-9a-f]{64}\.(?:sig|att|sbom)")
_ENDINGS = ("sig", "att", "sbom")


@dataclass(frozen=True)
class Doomed:
    """A tag that a policy wants to end."""

    id: int
    name: str
    manifest_id: int


def doomed_tags(session: Session, repository_id: int, policy: PrunePolicy) -> Iterator[Doomed]:
    """The tags of the repository that the policy wants to end, the newest first."""
    query = (
        select(Tag.id, Tag.name, Tag.manifest_id)
        .where(Tag.repository_id == repository_id, ~Tag.immutable, alive())
        .order_by(Tag.start_ms.desc(), Tag.id.desc())
    )
    keeps = 0
    if policy.method == "number_of_tags":
        keeps = int(policy.value)
    else:
        query = query.where(Tag.start_ms < now_ms() - int(parse_duration(policy.value).total_seconds() * 1000))
    selector = Selector(policy.tag_pattern, inverted=not policy.tag_pattern_matches, anywhere=True)
    picked = 0
    for row in session.execute(query):
        if _ATTACHED.fullmatch(row.name) or not selector.picks(row.name):
            continue
        picked += 1
        if picked > keeps:
            yield Doomed(row.id, row.name, row.manifest_id)


def prune(session: Session, repository: Repository, policy: PrunePolicy, *, limit: int = SLICE) -> int:
    """End the tags of the repository that the policy wants to end, the oldest first; how many, at most `limit`."""
    oldest = list(doomed_tags(session, repository.id, policy))[-limit:]
    ended = _end(session, Tag.id.in_([tag.id for tag in oldest]))
    attached = _end_attached(session, repository, {row.manifest_id for row in ended})
    entries = [
        audit.entry(
            "autoprune_tag_delete",
            actor=Identity(),
            repository=repository,
            performer="autoprune worker",
            tag=row.name,
            policy_uuid=policy.uuid,
        )
        for row in [*ended, *attached]
    ]
    audit.record_all(session, entries)
    return len(ended)


def default_policy(method: PruneMethod, value: int | str) -> PrunePolicy:
    """One that is kept nowhere and holds for every repository (DEFAULT_NAMESPACE_AUTOPRUNE_POLICY)."""
    return PrunePolicy(method=method, value=str(value), tag_pattern=None, tag_pattern_matches=True)


def prune_after(session: Session, policy: PrunePolicy, position: int) -> int | None:
    """Prune the next few repositories after `position` as the policy says; how far that is, None at the end."""
    repositories = list(session.scalars(repositories_of(policy, after=position).limit(REPOSITORIES)))
    for repository in repositories:
        if prune(session, repository, policy) == SLICE:
            return position  # there may be more of them
        position = repository.id
    return position if len(repositories) == REPOSITORIES else None


def prune_due(session: Session, every: timedelta) -> bool:
    """Prune the next few repositories of a policy that is due; false if there is none. `every`: between two rounds."""
    policy = session.scalar(_next_policy())
    if policy is None:
        return False
    position = prune_after(session, policy, policy.position)
    policy.position = position or 0
    if position is None:
        policy.due_at = now() + every
    return True


def repositories_of(policy: PrunePolicy, *, after: int = 0) -> Select[Repository]:
    """The repositories in which the policy may end tags, their namespace loaded with them."""
    query = (
        select(Repository)
        .options(joinedload(Repository.namespace))
        .where(Repository.id > after, Repository.state == "NORMAL")
        .order_by(Repository.id)
    )
    if policy.namespace_id is None:
        return query.join(Repository.namespace).where(Account.enabled)
    query = query.where(Repository.namespace_id == policy.namespace_id)
    return query if policy.repository_id is None else query.where(Repository.id == policy.repository_id)


def active_policies() -> Select[PrunePolicy]:
    """All policies but those of namespaces that are disabled."""
    return select(PrunePolicy).join(Account, Account.id == PrunePolicy.namespace_id).where(Account.enabled)


def _next_policy() -> Select[PrunePolicy]:
    due = active_policies().where(PrunePolicy.due_at <= now()).order_by(PrunePolicy.due_at).limit(1)
    return due.with_for_update(skip_locked=True, of=PrunePolicy)


def _end(session: Session, which: ColumnElement[bool]) -> list[Any]:
    """End tags, unless somebody protected or ended them meanwhile; their names and manifests."""
    change = update(Tag).where(which, ~Tag.immutable, alive()).values(end_ms=now_ms())
    ended = change.returning(Tag.name, Tag.manifest_id).execution_options(synchronize_session=False)
    return list(session.execute(ended))


def _end_attached(session: Session, repository: Repository, manifest_ids: set[int]) -> list[Any]:
    """End what cosign attached to images that no tag names any more."""
    names = [
        f"{digest.replace(':', '-')}.{ending}" for digest in _unnamed(session, manifest_ids) for ending in _ENDINGS
    ]
    ended: list[Any] = []
    for start in range(0, len(names), SLICE):
        some = names[start : start + SLICE]
        ended += _end(session, (Tag.repository_id == repository.id) & Tag.name.in_(some))
    return ended


def _unnamed(session: Session, manifest_ids: Iterable[int]) -> list[str]:
    """The digests of those of the manifests, and of the ones below them, that no living tag keeps."""
    unnamed: dict[int, str] = {}
    level = set(manifest_ids)
    while level:
        tagged = _among(session, select(Tag.manifest_id).where(alive()), Tag.manifest_id, level)
        above = _among(session, select(ManifestChild.child_id, ManifestChild.parent_id), ManifestChild.child_id, level)
        kept = {row.manifest_id for row in tagged} | {row.child_id for row in above if row.parent_id not in unnamed}
        gone = level - kept
        unnamed |= {
            row.id: row.digest for row in _among(session, select(Manifest.id, Manifest.digest), Manifest.id, gone)
        }
        below = _among(session, select(ManifestChild.child_id), ManifestChild.parent_id, gone)
        level = {row.child_id for row in below} - unnamed.keys()
    return list(unnamed.values())


def _among(session: Session, query: Any, column: InstrumentedAttribute[int], ids: set[int]) -> list[Any]:
    """The rows whose column is one of the ids, however many those are."""
    in_order = sorted(ids)
    slices = [in_order[start : start + SLICE] for start in range(0, len(in_order), SLICE)]
    return [row for some in slices for row in session.execute(query.where(column.in_(some)))]
