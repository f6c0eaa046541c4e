"""Labels of an image, from its config and the annotations of its manifest, and what they ask of the registry."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID, uuid5

from models.labels import kind_of
from models.tables import Manifest
from registry.blobs import find_blob
from registry.errors import BlobUnknown
from registry.manifest_format import InvalidManifest, ParsedManifest, parse_manifest
from registry.names import Digest, RepositoryName
from registry.services import Services
from storage.driver import NotFound

EXPIRES_AFTER = "quay.expires-after"
IMMUTABLE = "quay.immutable"
CONFIGS = ("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json")
LARGEST_CONFIG = 4 * 2**20
CENTURY_S = 100 * 365 * 86400
MOST_KNOWN = 10_000
"""Configs whose labels' meaning is remembered."""

_IDS = UUID("7d8f5f0e-9c58-4c43-8f0a-5a3f6f0c1e21")
_LIFETIME = re.compile(r"([1-9][0-9]{0,8})([smhdwy])")
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}


@dataclass(frozen=True)
class ImageLabel:
    """A label that an image itself has. Its id follows from the manifest and the key."""

    uuid: str
    key: str
    value: str
    media_type: str
    source_type: str = "manifest"


def image_labels(services: Services, name: RepositoryName, manifest: Manifest) -> list[ImageLabel]:
    """The labels of an image that was pushed, its content loaded, by key. It may wait for the store: StorageError."""
    try:
        labels = read_labels(services, name, parse_manifest(manifest.content, manifest.media_type))
    except InvalidManifest:  # written by hand, or by a version that knew other rules
        return []
    return [
        ImageLabel(str(uuid5(_IDS, f"{manifest.digest} {key!r}")), _shown(key), _shown(value), kind_of(value))
        for key, value in sorted(labels.items())
        if key
    ]


def read_labels(services: Services, name: RepositoryName, parsed: ParsedManifest) -> Mapping[str, str]:
    """The labels of a manifest that is about to be pushed. What its config says of them otherwise is left out."""
    return {**(_config_labels(services, name, parsed) or {}), **(parsed.annotations or {})}


def _config_labels(services: Services, name: RepositoryName, parsed: ParsedManifest) -> Mapping[str, str] | None:
    """The labels in the manifest's config; None if it should have one that is not here."""
    if parsed.config_media_type not in CONFIGS:
        return {}
    try:
        with services.database.read() as session:
            config = find_blob(session, name, Digest.parse(parsed.blobs[0].digest))
        content = b"" if config.size > LARGEST_CONFIG else services.storage.read(config.path)
    except (BlobUnknown, NotFound):  # told with all else that is missing, when the manifest is stored
        return None
    return _in_config(content)


def lifetime_s(labels: Mapping[str, str]) -> int | None:
    """For how many seconds a tag of the image lives by `quay.expires-after`: a whole number and one of s m h d w y.

    None where there is no such label, or one of another form; at most a century.
    """
    found = _LIFETIME.fullmatch(labels.get(EXPIRES_AFTER, ""))
    return None if found is None else min(int(found[1]) * _UNITS_S[found[2]], CENTURY_S)


@dataclass(frozen=True)
class Wishes:
    """What an image's labels ask for the tags that are pushed with it."""

    lifetime_s: int | None
    immutable: bool


NO_WISHES = Wishes(None, immutable=False)


def wishes_of(labels: Mapping[str, str]) -> Wishes:
    """`lifetime_s`, and whether `quay.immutable` is true."""
    return Wishes(lifetime_s(labels), labels.get(IMMUTABLE, "").strip().lower() == "true")


class KnownWishes:
    """The wishes of images that are about to be pushed, for which a config is read once. Thread-safe."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._known: dict[tuple[str, str | None], dict[str, str]] = {}
        """The labels of configs that ask for something."""

    def find(self, name: RepositoryName, parsed: ParsedManifest) -> Wishes:
        """The same as `wishes_of` its labels."""
        own = parsed.annotations or {}
        if own.keys() >= {EXPIRES_AFTER, IMMUTABLE} or not parsed.blobs:
            return wishes_of(own)
        key = parsed.blobs[0].digest, parsed.config_media_type
        if key not in self._known:
            labels = _config_labels(self._services, name, parsed)
            if labels is None:
                return wishes_of(own)
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()  # rare, and cheaper than keeping an order
            self._known[key] = {name: labels[name] for name in (EXPIRES_AFTER, IMMUTABLE) if name in labels}
        return wishes_of({**self._known[key], **own})


def _in_config(content: bytes) -> dict[str, str]:
    try:
        config = json.loads(content)
    except (ValueError, RecursionError):  # a config may be anything; it is not ours to refuse
        return {}
    run = config.get("config") if isinstance(config, dict) else None
    labels = run.get("Labels") if isinstance(run, dict) else None
    return {key: text for key, text in labels.items() if isinstance(text, str)} if isinstance(labels, dict) else {}


def _shown(text: str) -> str:
    return text.encode(errors="replace").decode()  # JSON can name halves of characters, which nothing can show
