"""Labels of an image, from its config and the annotations of its manifest, and what they ask of the registry."""

import json
import re
from collections.abc import Mapping

from registry.blobs import find_blob
from registry.errors import BlobUnknown
from registry.manifest_format import ParsedManifest
from registry.names import Digest, RepositoryName
from registry.services import Services
from storage.driver import NotFound

EXPIRES_AFTER = "quay.expires-after"
CONFIGS = ("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json")
LARGEST_CONFIG = 4 * 2**20
CENTURY_S = 100 * 365 * 86400

_LIFETIME = re.compile(r"([1-9][0-9]{0,8})([smhdwy])")
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}


def read_labels(services: Services, name: RepositoryName, parsed: ParsedManifest) -> Mapping[str, str]:
    """The labels of a manifest that is about to be pushed. What its config says of them otherwise is left out."""
    labels = dict(parsed.annotations or {})
    if parsed.config_media_type not in CONFIGS:
        return labels
    try:
        with services.database.read() as session:
            config = find_blob(session, name, Digest.parse(parsed.blobs[0].digest))
        content = b"" if config.size > LARGEST_CONFIG else services.storage.read(config.path)
    except (BlobUnknown, NotFound):  # told with all else that is missing, when the manifest is stored
        return labels
    return _in_config(content) | labels


def lifetime_s(labels: Mapping[str, str]) -> int | None:
    """For how many seconds a tag of the image lives by `quay.expires-after`: a whole number and one of s m h d w y.

    None where there is no such label, or one of another form; at most a century.
    """
    found = _LIFETIME.fullmatch(labels.get(EXPIRES_AFTER, ""))
    return None if found is None else min(int(found[1]) * _UNITS_S[found[2]], CENTURY_S)


def _in_config(content: bytes) -> dict[str, str]:
    try:
        config = json.loads(content)
    except (ValueError, RecursionError):  # a config may be anything; it is not ours to refuse
        return {}
    run = config.get("config") if isinstance(config, dict) else None
    labels = run.get("Labels") if isinstance(run, dict) else None
    return {key: text for key, text in labels.items() if isinstance(text, str)} if isinstance(labels, dict) else {}
