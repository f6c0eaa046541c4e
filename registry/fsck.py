"""A full check that nothing is missing: bytes for every blob, everything that manifests and tags refer to.

It reads beside everything else and holds a few hundred rows at a time. What disappears while it looks is looked up
again before it is called missing.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.orm import aliased

from models.session import Database
from models.tables import Account, Blob, Manifest, ManifestBlob, ManifestChild, Repository, RepositoryBlob, Tag
from registry.manifest_format import InvalidManifest, ParsedManifest, parse_manifest
from registry.names import Digest
from storage.driver import NotFound, StorageDriver

AT_A_TIME = 256
THREADS = 8
BLOCK = 1 << 20


@dataclass(frozen=True)
class Problem:
    """Something that is not as it has to be: what it concerns, and what is wrong."""

    about: str
    what: str

    def __str__(self) -> str:
        return f"{self.about}: {self.what}"


def check(
    database: Database, storage: StorageDriver, *, deep: bool = False, report: Callable[[str], None] = lambda _: None
) -> Iterator[Problem]:
    """Everything that is wrong. `deep`: read every blob and compare its digest. `report` is told how far it is."""
    yield from _check_blobs(database, storage, deep=deep, report=report)
    yield from _check_manifests(database, report)
    for query, what in _BROKEN:
        with database.read() as session:
            rows = session.execute(query).all()
        yield from (Problem(f"{namespace}/{name}", what.format(subject)) for namespace, name, subject in rows)


def _check_blobs(
    database: Database, storage: StorageDriver, *, deep: bool, report: Callable[[str], None]
) -> Iterator[Problem]:
    query = select(Blob.id, Blob.digest, Blob.size, Blob.path)
    with ThreadPoolExecutor(THREADS, "fsck") as pool:
        for rows in _pages(database, query, Blob.id, "blobs", report):
            for row, wrong in zip(rows, pool.map(lambda row: _look(storage, row, deep=deep), rows), strict=True):
                if wrong and _is_still_at(database, row):
                    yield Problem(f"blob {row.digest}", wrong)


def _look(storage: StorageDriver, row: Any, *, deep: bool) -> str | None:
    """What is wrong with a blob's bytes."""
    try:
        size = storage.stat(row.path).size
        if size != row.size:
            return f"{row.path} has {size} bytes in storage instead of {row.size}"
        return _compare(storage, row) if deep else None
    except NotFound:
        return f"{row.path} is missing in storage"


def _compare(storage: StorageDriver, row: Any) -> str | None:
    expected = Digest.parse(row.digest)
    hasher = hashlib.new(expected.algorithm)
    with storage.open(row.path) as stream:
        while block := stream.read(BLOCK):
            hasher.update(block)
    return (
        None if hasher.hexdigest() == expected.hex else f"the bytes at {row.path} have the digest {hasher.hexdigest()}"
    )


def _is_still_at(database: Database, row: Any) -> bool:
    with database.read() as session:
        return bool(session.scalar(select(Blob.path).where(Blob.id == row.id)) == row.path)


def _check_manifests(database: Database, report: Callable[[str], None]) -> Iterator[Problem]:
    query = (
        select(Manifest.id, Manifest.repository_id, Manifest.digest, Manifest.media_type, Manifest.content, *_PATH)
        .join(Repository, Repository.id == Manifest.repository_id)
        .join(Account, Account.id == Repository.namespace_id)
        .where(Repository.state != "MARKED_FOR_DELETION")  # collection takes these apart, in no order
    )
    for rows in _pages(database, query, Manifest.id, "manifests", report):
        for row in rows:
            for wrong in _read(database, row):
                yield Problem(f"{row.namespace}/{row.name}@{row.digest}", wrong)


def _read(database: Database, row: Any) -> Iterator[str]:
    """What is wrong with a manifest and what it refers to."""
    expected = Digest.parse(row.digest)
    found = Digest.of(row.content, expected.algorithm)
    if found != expected:
        yield f"its content has the digest {found}"
        return
    try:
        parsed = parse_manifest(row.content, row.media_type)
    except InvalidManifest as exc:
        yield f"its content is no manifest: {exc}"
        return
    missing = _missing(database, row, parsed)
    if missing and _is_there(database, row.id):
        yield from missing


def _missing(database: Database, row: Any, parsed: ParsedManifest) -> list[str]:
    blobs = (
        select(Blob.digest)
        .join(ManifestBlob, ManifestBlob.blob_id == Blob.id)
        .join(
            RepositoryBlob,
            (RepositoryBlob.blob_id == Blob.id) & (RepositoryBlob.repository_id == ManifestBlob.repository_id),
        )
        .join(Manifest, Manifest.id == ManifestBlob.manifest_id)
        .where(ManifestBlob.manifest_id == row.id, ~RepositoryBlob.hidden | Manifest.deleted_at.is_not(None))
    )
    children = (
        select(Manifest.digest)
        .join(ManifestChild, ManifestChild.child_id == Manifest.id)
        .where(ManifestChild.parent_id == row.id)
    )
    with database.read() as session:
        there = {*session.scalars(blobs), *session.scalars(children)}
    wanted = {blob.digest for blob in parsed.blobs if not blob.foreign} | {child.digest for child in parsed.children}
    return [f"it refers to {digest}, which is not in the repository" for digest in sorted(wanted - there)]


def _is_there(database: Database, manifest_id: int) -> bool:
    with database.read() as session:
        return session.scalar(select(Manifest.id).where(Manifest.id == manifest_id)) is not None


def _pages(database: Database, query: Any, key: Any, name: str, report: Callable[[str], None]) -> Iterator[list[Any]]:
    """The rows in pages, each read in a transaction of its own."""
    after, seen = 0, 0
    with database.read() as session:
        total = session.scalar(select(func.count()).select_from(key.class_)) or 0
    while True:
        with database.read() as session:
            rows = list(session.execute(query.where(key > after).order_by(key).limit(AT_A_TIME)))
        if not rows:
            return
        yield rows
        after, seen = rows[-1].id, seen + len(rows)
        report(f"{min(seen, total)} of {total} {name}")


def _located(subject: Any, *conditions: Any, joins: Iterable[tuple[Any, Any]]) -> Select[Any]:
    query = select(*_PATH, subject).select_from(Repository).join(Account, Account.id == Repository.namespace_id)
    for table, condition in joins:
        query = query.join(table, condition)
    return query.where(*conditions)


_PATH = (Account.name.label("namespace"), Repository.name.label("name"))
_child = aliased(Manifest)
_BROKEN: tuple[tuple[Select[Any], str], ...] = (
    (
        _located(
            Tag.name,
            Tag.end_ms.is_(None),
            Manifest.deleted_at.is_not(None),
            joins=[(Tag, Tag.repository_id == Repository.id), (Manifest, Manifest.id == Tag.manifest_id)],
        ),
        "tag {} names a manifest that is not served",
    ),
    (
        _located(
            _child.digest,
            Manifest.deleted_at.is_(None),
            _child.deleted_at.is_not(None),
            joins=[
                (Manifest, Manifest.repository_id == Repository.id),
                (ManifestChild, ManifestChild.parent_id == Manifest.id),
                (_child, _child.id == ManifestChild.child_id),
            ],
        ),
        "an index names {}, which is not served",
    ),
    (
        _located(
            Manifest.digest,
            Manifest.repository_id != Repository.id,
            joins=[(Tag, Tag.repository_id == Repository.id), (Manifest, Manifest.id == Tag.manifest_id)],
        ),
        "a tag names {}, which is in another repository",
    ),
)
"""Rows that contradict each other, and what to say of them."""
