"""Labels that people attach to manifests by REST."""

import json
import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from models import audit
from models.access import Identity
from models.errors import Conflict, Invalid, NotFound, TagImmutable
from models.session import Session
from models.tables import Manifest, ManifestLabel, Repository, Tag
from models.tags import alive

LONGEST_VALUE = 65_536
MOST_LABELS = 500
"""Labels that one manifest may be given."""
RESERVED = (
    "com.docker.", "io.docker.", "org.dockerproject.", "org.opencontainers.", "io.cncf.", "io.kubernetes.", "io.k8s.",
    "io.quay", "com.coreos", "com.tectonic", "internal", "quay",
)  # fmt: skip
"""How keys begin that only an image itself may have; Quay's list."""
_KEY = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*")


def list_labels(session: Session, manifest: Manifest) -> list[ManifestLabel]:
    """The labels that were attached to the manifest, oldest first."""
    query = select(ManifestLabel).where(ManifestLabel.manifest_id == manifest.id)
    return list(session.scalars(query.order_by(ManifestLabel.id)))


def find_label(session: Session, manifest: Manifest, uuid: str) -> ManifestLabel | None:
    return session.scalar(
        select(ManifestLabel).where(ManifestLabel.manifest_id == manifest.id, ManifestLabel.uuid == uuid)
    )


def refuse_reserved(key: str, prefixes: Sequence[str] = ()) -> None:
    """Refuse a key that only an image itself may have (Invalid). `prefixes`: how others begin, besides Quay's."""
    if key.startswith((*RESERVED, *prefixes)):
        raise Invalid("Label has a reserved prefix")


def add_label(
    session: Session,
    repository: Repository,
    manifest: Manifest,
    key: str,
    value: str,
    *,
    media_type: str | None,
    actor: Identity,
) -> ManifestLabel:
    """Attach a label. Invalid; TagImmutable if a tag of the manifest is. Quay operation addManifestLabel.

    `media_type`: text/plain or application/json; by default, what the value looks like.
    """
    refuse_reserved(key)
    if len(key) > 255 or not _KEY.fullmatch(key):
        raise Invalid("key: expected lower-case letters and digits, with single dots or dashes between them")
    if len(value) > LONGEST_VALUE:
        raise Invalid(f"value: expected at most {LONGEST_VALUE} characters")
    _refuse_immutable(session, manifest)
    count = select(func.count()).select_from(ManifestLabel).where(ManifestLabel.manifest_id == manifest.id)
    if (session.scalar(count) or 0) >= MOST_LABELS:
        raise Conflict(f"A manifest can be given {MOST_LABELS} labels at most; delete some first")
    label = ManifestLabel(manifest_id=manifest.id, key=key, value=value, media_type=media_type or kind_of(value))
    session.add(label)
    session.flush()
    told = {**_told(manifest, label), "media_type": label.media_type}
    audit.record(session, "manifest_label_add", actor=actor, repository=repository, **told)
    return label


def remove_label(session: Session, repository: Repository, manifest: Manifest, uuid: str, *, actor: Identity) -> None:
    """Take a label away. NotFound; Invalid if it is the image's own; TagImmutable. Quay's deleteManifestLabel."""
    label = find_label(session, manifest, uuid)
    if label is None and is_of_image(uuid):
        raise Invalid("The label is part of the image and cannot be deleted")
    if label is None:
        raise NotFound("Not Found")
    _refuse_immutable(session, manifest)
    session.delete(label)
    audit.record(session, "manifest_label_delete", actor=actor, repository=repository, **_told(manifest, label))


def is_of_image(uuid: str) -> bool:
    """Whether the id is one of those that follow from an image's labels (UUID version 5); ours are random."""
    try:
        return UUID(uuid).version == 5
    except ValueError:
        return False


def kind_of(value: str) -> str:
    """The media type that a value looks like it has."""
    if not (value.startswith("{") and value.endswith("}")) and not (value.startswith("[") and value.endswith("]")):
        return "text/plain"
    try:
        json.loads(value)
    except (ValueError, RecursionError):
        return "text/plain"
    return "application/json"


def _refuse_immutable(session: Session, manifest: Manifest) -> None:
    fixed = select(Tag.name).where(Tag.manifest_id == manifest.id, Tag.immutable, alive()).order_by(Tag.name).limit(1)
    name = session.scalar(fixed)
    if name is not None:
        raise TagImmutable(name)


def _told(manifest: Manifest, label: ManifestLabel) -> dict[str, Any]:
    """What the action log says of the label."""
    return {"id": label.uuid, "key": label.key, "value": label.value, "manifest_digest": manifest.digest}
