"""Reading a manifest: what kind it is and what it refers to. The bytes are never changed.

OCI image specification 1.1 (manifest.md, image-index.md), Docker image manifest version 2 schema 2.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from registry.names import Digest, Malformed

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
INDEXES = (OCI_INDEX, DOCKER_LIST)
KNOWN = (OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST)
FOREIGN = ("nondistributable", "foreign")
"""Words in the media type of a layer that lies elsewhere and may be missing here."""
LONGEST_TYPE = 255


class InvalidManifest(ValueError):
    """The manifest breaks its specification; the text says where."""


class UnknownMediaType(InvalidManifest):
    """A media type that this registry does not take."""


@dataclass(frozen=True)
class Reference:
    """A descriptor: something the manifest points to. `foreign` things need not be here."""

    digest: str
    size: int
    foreign: bool = False


@dataclass(frozen=True)
class ParsedManifest:
    """What the registry must know of a manifest."""

    media_type: str
    blobs: list[Reference] = field(default_factory=list)
    """The config, then the layers."""
    children: list[Reference] = field(default_factory=list)
    subject: str | None = None
    artifact_type: str | None = None
    config_media_type: str | None = None
    annotations: dict[str, Any] | None = None

    @property
    def is_index(self) -> bool:
        return self.media_type in INDEXES

    @property
    def image_size(self) -> int:
        """Bytes of its layers, compressed; of an index, 0. Quay shows it as a tag's size."""
        return sum(layer.size for layer in self.blobs[1:])


def parse_manifest(content: bytes, content_type: str | None) -> ParsedManifest:
    """Parse and check a manifest as pushed. `content_type`: the request's, without parameters; may be missing."""
    document = _load(content)
    media_type = _media_type(document, content_type)
    if document.get("schemaVersion") != 2:
        raise InvalidManifest("schemaVersion: expected 2")
    subject = document.get("subject")
    subject_digest = None if subject is None else _descriptor(subject, "subject").digest
    if media_type in INDEXES:
        return ParsedManifest(
            media_type=media_type,
            children=_descriptors(document, "manifests"),
            subject=subject_digest,
            artifact_type=_text(document, "artifactType"),
            annotations=_annotations(document),
        )
    config = _descriptor(document.get("config"), "config")
    config_type = _text(document["config"], "mediaType")
    layers = _descriptors(document, "layers")
    if sum(layer.size for layer in layers) >= 2**63:
        raise InvalidManifest("layers: expected fewer bytes in all")
    return ParsedManifest(
        media_type=media_type,
        blobs=[config, *layers],
        subject=subject_digest,
        artifact_type=_text(document, "artifactType") or config_type,
        config_media_type=config_type,
        annotations=_annotations(document),
    )


def _load(content: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(content.decode())  # json alone would take UTF-16 and UTF-32, too
    except (ValueError, RecursionError) as exc:
        raise InvalidManifest(f"not JSON: {exc}") from exc
    if not isinstance(document, dict):
        raise InvalidManifest("expected a JSON object")
    return document


def _media_type(document: Mapping[str, Any], content_type: str | None) -> str:
    inner = _text(document, "mediaType")
    if inner and content_type and content_type not in ("application/json", inner):
        raise InvalidManifest(f"mediaType: {inner} does not match the Content-Type {content_type}")
    media_type = inner or content_type
    if media_type in (None, "application/json"):
        media_type = OCI_INDEX if "manifests" in document else OCI_MANIFEST
    if media_type not in KNOWN:
        raise UnknownMediaType(f"media type {media_type} is not one of {', '.join(KNOWN)}")
    return media_type


def _descriptors(document: Mapping[str, Any], key: str) -> list[Reference]:
    items = document.get(key)
    if not isinstance(items, list):
        raise InvalidManifest(f"{key}: expected a list")
    return [_descriptor(item, f"{key}[{index}]") for index, item in enumerate(items)]


def _descriptor(item: Any, where: str) -> Reference:
    if not isinstance(item, dict):
        raise InvalidManifest(f"{where}: expected a descriptor")
    size, media_type = item.get("size"), _text(item, "mediaType", where)
    if not isinstance(size, int) or isinstance(size, bool) or size < 0 or size >= 2**63:
        raise InvalidManifest(f"{where}.size: expected a number of bytes")
    if media_type is None:
        raise InvalidManifest(f"{where}.mediaType: expected a media type")
    digest = item.get("digest")
    try:
        parsed = Digest.parse(digest if isinstance(digest, str) else "")
    except Malformed as exc:
        raise InvalidManifest(f"{where}.digest: {exc}") from exc
    foreign = bool(item.get("urls")) or any(word in media_type for word in FOREIGN)
    return Reference(str(parsed), size, foreign)


def _text(document: Any, key: str, where: str = "") -> str | None:
    value = document.get(key)
    if value is not None and not (isinstance(value, str) and len(value) <= LONGEST_TYPE and value.isprintable()):
        raise InvalidManifest(
            f"{where}{'.' if where else ''}{key}: expected a text of at most {LONGEST_TYPE} characters"
        )
    return value or None


def _annotations(document: Mapping[str, Any]) -> dict[str, Any] | None:
    value = document.get("annotations")
    if value is None:
        return None
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise InvalidManifest("annotations: expected an object of texts")
    return value
