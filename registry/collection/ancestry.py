"""What keeps a manifest: tags and protection, its own and those of the indexes and subjects above it."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import aliased

from models.session import Session
from models.tables import BuildCache, Manifest, ManifestChild, Tag

MOST = 5000
"""Manifests that one climb locks at most. What is kept by more than that is left for another time."""


@dataclass
class Ancestry:
    """The manifests asked about and all above them.

    `roots` are kept whatever is above them. `unknown` are those that somebody else is working with. An index and its
    own subject may keep each other, so this is a search, not a count.
    """

    asked: set[int]
    roots: set[int] = field(default_factory=set)
    unknown: set[int] = field(default_factory=set)
    parents: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    subjects: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))

    def kept(self) -> set[int]:
        """Those asked about that are kept."""
        return self._below(self.roots) & self.asked

    def garbage(self) -> set[int]:
        """Those asked about that are certainly not."""
        return self.asked - self._below(self.roots | self.unknown)

    def above(self, ids: Iterable[int]) -> set[int]:
        """All indexes and subjects above these."""
        found: set[int] = set()
        next_ = set(ids)
        while next_:
            next_ = {up for id_ in next_ for up in self.parents[id_] | self.subjects[id_]} - found
            found |= next_
        return found

    def _below(self, tops: set[int]) -> set[int]:
        down: dict[int, set[int]] = defaultdict(set)
        for edges in (self.parents, self.subjects):
            for id_, ups in edges.items():
                for up in ups:
                    down[up].add(id_)
        found, next_ = set(tops), set(tops)
        while next_:
            next_ = {below for id_ in next_ for below in down[id_]} - found
            found |= next_
        return found


def climb(session: Session, ids: set[int], unprotected: datetime) -> Ancestry:
    """Find what is above these manifests, which are locked, locking it too, so that no tag can come meanwhile."""
    ancestry = Ancestry(set(ids))
    seen, level = set(ids), set(ids)
    while level:
        for table in (Tag, BuildCache):
            named = select(table.manifest_id).where(table.manifest_id.in_(level))
            ancestry.roots |= set(session.scalars(named.distinct()))
        new = _look_up(session, ancestry, level - ancestry.roots) - seen
        if len(seen) + len(new) > MOST:
            ancestry.unknown |= new
            break
        seen |= new
        locked = _lock(session, new)
        ancestry.unknown |= new - locked.keys()
        protected = {id_ for id_, touched_at in locked.items() if touched_at > unprotected}
        ancestry.roots |= protected
        level = locked.keys() - protected
    return ancestry


def _look_up(session: Session, ancestry: Ancestry, ids: set[int]) -> set[int]:
    """What is right above the manifests."""
    subject = aliased(Manifest)
    parents = select(ManifestChild.child_id, ManifestChild.parent_id).where(ManifestChild.child_id.in_(ids))
    subjects = (
        select(Manifest.id, subject.id)
        .join(subject, (subject.repository_id == Manifest.repository_id) & (subject.digest == Manifest.subject))
        .where(Manifest.id.in_(ids))
    )
    found = set()
    for edges, query in ((ancestry.parents, parents), (ancestry.subjects, subjects)):
        for id_, up in session.execute(query):
            edges[id_].add(up)
            found.add(up)
    return found


def _lock(session: Session, ids: set[int]) -> dict[int, datetime]:
    query = select(Manifest.id, Manifest.touched_at).where(Manifest.id.in_(ids)).order_by(Manifest.id)
    return {row.id: row.touched_at for row in session.execute(query.with_for_update(skip_locked=True))}
