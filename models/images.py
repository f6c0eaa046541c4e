"""Images as Docker numbered them before there were manifests: a row of them for each manifest, from the top down.

There are no rows for them. The image of a whole manifest has the first 64 hexadecimal digits of its digest as its id,
and the ones below it the same with the last four digits changed by how far below they are. So an id is found by the
index on digests, and stays as long as the manifest.
"""

import re

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import undefer

from models.errors import NotFound
from models.session import Session
from models.tables import Manifest, Repository, Tag
from models.tags import alive

_ID = re.compile(r"[0-9a-f]{64}")
_KEPT = 60
"""Digits that all images of a manifest share."""


def image_id(digest: str, below: int = 0) -> str:
    """The id of the image that lies so far below the top one of the manifest."""
    digits = digest.partition(":")[2][:64]
    return f"{digits[:_KEPT]}{int(digits[_KEPT:], 16) ^ below:04x}"


def find_image(session: Session, repository: Repository, id_: str, *, deleted: bool = False) -> tuple[Manifest, int]:
    """The image's manifest, its content loaded, and how far below the top the image lies. NotFound.

    Whether there are so many images, the content tells. `deleted`: also a manifest that is no longer served.
    """
    if not _ID.fullmatch(id_):
        raise NotFound("Not Found")
    query = (
        select(Manifest)
        .options(undefer(Manifest.content))
        .where(Manifest.repository_id == repository.id, ~Manifest.is_index, _begins(id_[:_KEPT]))
    )
    if not deleted:
        query = query.where(Manifest.deleted_at.is_(None))
    manifest = session.scalars(query).first()
    if manifest is None:
        raise NotFound("Not Found")
    return manifest, int(image_id(manifest.digest)[_KEPT:], 16) ^ int(id_[_KEPT:], 16)


def tagged_images(session: Session, repository: Repository, *, limit: int) -> dict[Manifest, list[str]]:
    """The images that the repository's newest living tags name, oldest first, each with its tags in order."""
    newest = (
        select(Tag.id)
        .where(Tag.repository_id == repository.id, alive())
        .order_by(Tag.start_ms.desc(), Tag.id.desc())
        .limit(limit)
    )
    query = (
        select(Manifest, Tag.name)
        .join(Tag, Tag.manifest_id == Manifest.id)
        .where(Tag.id.in_(newest), ~Manifest.is_index)
        .order_by(Manifest.id, Tag.name)
    )
    found: dict[Manifest, list[str]] = {}
    for manifest, name in session.execute(query):
        found.setdefault(manifest, []).append(name)
    return found


def is_named_by_others(session: Session, tag: Tag) -> bool:
    """Whether another living tag means the same manifest."""
    others = select(Tag.id).where(
        Tag.manifest_id == tag.manifest_id, Tag.repository_id == tag.repository_id, Tag.id != tag.id, alive()
    )
    return session.scalar(others.limit(1)) is not None


def _begins(digits: str) -> ColumnElement[bool]:
    """The condition on Manifest rows that the digits of their digests begin like this; a stretch of the index."""
    return or_(
        *(
            and_(Manifest.digest >= f"{algorithm}:{digits}", Manifest.digest < f"{algorithm}:{digits}g")
            for algorithm in ("sha256", "sha512")
        )
    )
