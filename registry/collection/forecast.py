"""What collection would take now, without taking it: a repository at a time, nothing locked."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from sqlalchemy import func, select

from models.build_cache import KEPT_UNUSED
from models.session import Database, Session
from models.tables import (
    Account,
    Blob,
    BuildCache,
    Garbage,
    Manifest,
    ManifestBlob,
    ManifestChild,
    Repository,
    RepositoryBlob,
    Tag,
    Upload,
)
from models.tables.base import now
from models.tags import now_ms
from registry.collection.terms import Terms

AT_A_TIME = 500


@dataclass(frozen=True)
class Doomed:
    """What would go of one repository. `deleted`: all of it, for the repository itself was deleted."""

    repository: str
    deleted: bool
    tags: int
    manifests: list[str]
    links: int

    def __bool__(self) -> bool:
        return self.deleted or bool(self.tags or self.manifests or self.links)


@dataclass
class Forecast:
    """What would go of the whole. `repositories()` comes first; the sums are complete when it has ended.

    `garbage` and `garbage_bytes`: objects whose blobs went before. Only links that would go are held in memory.
    `ended`: tags that are taken as ended long ago. `only`: the repositories to look at; all others stay as they are.
    """

    database: Database
    terms: Terms
    ended: frozenset[int] = frozenset()
    only: frozenset[int] | None = None
    blobs: int = 0
    bytes: int = 0
    uploads: int = 0
    garbage: int = 0
    garbage_bytes: int = 0
    _unlinked: Counter[int] = field(default_factory=Counter)

    def repositories(self) -> Iterator[Doomed]:
        """Every repository of which something would go."""
        after = 0
        while rows := self._page(after):
            after = rows[-1][0]
            for id_, path, marked, keeps_s in rows:
                if self.only is not None and id_ not in self.only:
                    continue
                with self.database.read() as session:
                    doomed = self._look(session, id_, path, marked=marked, before_ms=now_ms() - keeps_s * 1000)
                if doomed:
                    yield doomed
        self._add_up()

    def _page(self, after: int) -> list[tuple[int, str, bool, int]]:
        query = (
            select(Repository.id, Account.name, Repository.name, Repository.state, Account.tag_expiration_s)
            .join(Account, Account.id == Repository.namespace_id)
            .where(Repository.id > after)
            .order_by(Repository.id)
            .limit(AT_A_TIME)
        )
        with self.database.read() as session:
            return [
                (row[0], f"{row[1]}/{row[2]}", row[3] == "MARKED_FOR_DELETION", row[4])
                for row in session.execute(query)
            ]

    def _look(self, session: Session, id_: int, path: str, *, marked: bool, before_ms: int) -> Doomed:
        repository = _Repository(session, id_)
        forgotten, kept = (repository.tags(), set()) if marked else repository.kept(before_ms, self.terms, self.ended)
        needed = {blob_id for manifest_id, blob_id in repository.needs() if manifest_id in kept}
        links = select(RepositoryBlob.blob_id).where(RepositoryBlob.repository_id == id_)
        if not marked:
            links = links.where(RepositoryBlob.linked_at <= self.terms.unprotected)
        unlinked = [blob_id for blob_id in session.scalars(links) if blob_id not in needed]
        self._unlinked.update(unlinked)
        gone = sorted(digest for manifest_id, digest in repository.digests.items() if manifest_id not in kept)
        return Doomed(path, marked, forgotten, gone, len(unlinked))

    def _add_up(self) -> None:
        ids = iter(sorted(self._unlinked))
        while some := list(islice(ids, AT_A_TIME)):
            with self.database.read() as session:
                query = (
                    select(Blob.id, Blob.size, func.count())
                    .join(RepositoryBlob, RepositoryBlob.blob_id == Blob.id)
                    .where(Blob.id.in_(some))
                    .group_by(Blob.id, Blob.size)
                )
                gone = [size for id_, size, links in session.execute(query) if links == self._unlinked[id_]]
            self.blobs += len(gone)
            self.bytes += sum(gone)
        with self.database.read() as session:
            linked = select(RepositoryBlob.blob_id).where(RepositoryBlob.blob_id == Blob.id).exists()
            bare = session.execute(select(func.count(), func.sum(Blob.size)).where(Blob.loose, ~linked)).one()
            left = session.execute(select(func.count(), func.sum(Garbage.size))).one()
            stale = select(func.count()).where(Upload.size > 0, Upload.updated_at <= now() - self.terms.upload_life)
            self.uploads = session.scalar(stale) or 0
        self.blobs, self.bytes = self.blobs + bare[0], self.bytes + int(bare[1] or 0)
        self.garbage, self.garbage_bytes = left[0], int(left[1] or 0)


class _Repository:
    """The manifests of a repository and what keeps them."""

    def __init__(self, session: Session, id_: int) -> None:
        self._session = session
        self._id = id_
        query = select(Manifest.id, Manifest.digest, Manifest.subject, Manifest.touched_at)
        self._rows = session.execute(query.where(Manifest.repository_id == id_)).all()
        self.digests = {row.id: row.digest for row in self._rows}

    def tags(self) -> int:
        return self._session.scalar(select(func.count()).where(Tag.repository_id == self._id)) or 0

    def needs(self) -> Iterator[tuple[int, int]]:
        """Which manifest needs which blob."""
        query = select(ManifestBlob.manifest_id, ManifestBlob.blob_id).where(ManifestBlob.repository_id == self._id)
        for row in self._session.execute(query.execution_options(yield_per=AT_A_TIME)):
            yield row.manifest_id, row.blob_id

    def kept(self, before_ms: int, terms: Terms, ended: frozenset[int]) -> tuple[int, set[int]]:
        """How many ended tags would be forgotten, and the manifests that stay."""
        ends = func.coalesce(Tag.end_ms, Tag.expires_ms)
        tags = select(Tag.id, Tag.manifest_id, ends).where(Tag.repository_id == self._id)
        found, forgotten = {row.id for row in self._rows if row.touched_at > terms.unprotected}, 0
        for id_, manifest_id, end_ms in self._session.execute(tags):
            if id_ in ended or (end_ms is not None and end_ms < before_ms):
                forgotten += 1
            else:
                found.add(manifest_id)
        fresh = now() - KEPT_UNUSED
        used = select(BuildCache.manifest_id).where(BuildCache.repository_id == self._id, BuildCache.used_at >= fresh)
        found |= set(self._session.scalars(used))
        below, next_ = self._below(), set(found)
        while next_:
            next_ = {id_ for above in next_ for id_ in below[above]} - found
            found |= next_
        return forgotten, found

    def _below(self) -> dict[int, set[int]]:
        below: dict[int, set[int]] = defaultdict(set)
        edges = select(ManifestChild.parent_id, ManifestChild.child_id).join(
            Manifest, Manifest.id == ManifestChild.parent_id
        )
        for parent_id, child_id in self._session.execute(edges.where(Manifest.repository_id == self._id)):
            below[parent_id].add(child_id)
        ids = {row.digest: row.id for row in self._rows}
        for row in self._rows:
            if row.subject in ids:
                below[ids[row.subject]].add(row.id)
        return below
