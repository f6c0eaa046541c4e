"""Manifests as rows: finding them, and what they refer to."""

from itertools import accumulate
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, Text, and_, bindparam, cast, exists, select
from sqlalchemy.orm import undefer

from models.errors import NotFound
from models.session import Session
from models.tables import Manifest, ManifestChild, Repository


def find_manifest(session: Session, repository_id: int, digest: str, *, content: bool = False) -> Manifest | None:
    """The manifest, if it is served. `content`: load its bytes, too."""
    query = select(Manifest).where(
        Manifest.repository_id == repository_id, Manifest.digest == digest, Manifest.deleted_at.is_(None)
    )
    return session.scalar(query.options(undefer(Manifest.content)) if content else query)


def get_manifest(session: Session, repository: Repository, digest: str) -> Manifest:
    """The manifest with its bytes; NotFound. Quay operation getRepoManifest."""
    manifest = find_manifest(session, repository.id, digest, content=True)
    if manifest is None:
        raise NotFound("Not Found")
    return manifest


def is_part_of_index(session: Session, manifest: Manifest) -> bool:
    """Whether an index that is still served names the manifest."""
    parent = exists().where(
        ManifestChild.child_id == manifest.id,
        ManifestChild.parent_id == Manifest.id,
        Manifest.deleted_at.is_(None),
    )
    return bool(session.scalar(select(parent)))


MOST_BYTES = 1 << 20
"""Of the manifests whose annotations are shown on one page, if there is more than one."""


def _referrers(*which: ColumnElement[bool]) -> tuple[Select[int, int], Select[*tuple[Any, ...]]]:
    """How large the next ones are, and what a list says of them."""
    # A range of one, and not "subject =", after which PostgreSQL might walk all manifests in the order of their ids.
    these = and_(
        Manifest.repository_id == bindparam("repository_id"),
        Manifest.subject >= bindparam("subject"),
        Manifest.subject <= bindparam("subject"),
        Manifest.id > bindparam("after"),
        Manifest.deleted_at.is_(None),
        *which,
    )
    told = (Manifest.id, Manifest.digest, Manifest.media_type, Manifest.size, Manifest.artifact_type)
    # As text: reading it and writing it again would take longer than everything else.
    shown = select(*told, cast(Manifest.annotations, Text)).where(these)
    sizes = select(Manifest.id, Manifest.size).where(these)
    order = (Manifest.subject, Manifest.id)
    return sizes.order_by(*order).limit(bindparam("most")), shown.order_by(*order).limit(bindparam("most"))


_REFERRERS = {False: _referrers(), True: _referrers(Manifest.artifact_type == bindparam("artifact_type"))}


class Referrer(NamedTuple):
    """What a list of referrers says of a manifest. `annotations` are JSON as it is stored, maybe `null`."""

    id: int
    digest: str
    media_type: str
    size: int
    artifact_type: str | None
    annotations: str | None


def list_referrers(
    session: Session, repository_id: int, subject: str, artifact_type: str | None = None, *, after: int = 0, limit: int
) -> tuple[list[Referrer], int | None]:
    """The served manifests whose subject is the digest, oldest first, from the one behind the id `after`.

    Also the id behind which the next ones are, if there are any: a page is full when it has `limit` of them, or their
    annotations may take much room.
    """
    which: dict[str, Any] = {"repository_id": repository_id, "subject": subject, "after": after}
    if artifact_type is not None:
        which["artifact_type"] = artifact_type
    sizes, shown = _REFERRERS[artifact_type is not None]
    found = session.run(sizes, {**which, "most": limit + 1})
    sums = accumulate(row.size for row in found[:limit])
    count = sum(total <= MOST_BYTES for total in sums) or len(found[:1])
    if not count:
        return [], None
    rows = [Referrer(*row) for row in session.run(shown, {**which, "most": count})]
    last = rows[-1].id if rows else found[count - 1].id  # they may have been deleted at this moment
    return rows, last if count < len(found) else None
