"""Images put into a repository without a client: rows and stored bytes, as a push would leave them."""

import hashlib
import json
from typing import Any
from uuid import uuid4

from models.access import Identity
from models.session import Session
from models.tables import Blob, Manifest, ManifestBlob, Repository, RepositoryBlob
from models.tags import put_tag
from registry.manifest_format import OCI_MANIFEST
from storage.driver import StorageDriver


def push_image(
    session: Session,
    storage: StorageDriver,
    repository: Repository,
    tag: str,
    *,
    layers: list[bytes],
    config: dict[str, Any],
    actor: Identity,
) -> Manifest:
    """A manifest over these layers and this config, named by the tag."""
    config_blob = _push_blob(session, storage, repository, json.dumps(config).encode())
    layer_blobs = [_push_blob(session, storage, repository, layer) for layer in layers]
    config_type = "application/vnd.oci.image.config.v1+json"
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": config_type, "digest": config_blob.digest, "size": config_blob.size},
        "layers": [{"mediaType": "x", "digest": blob.digest, "size": blob.size} for blob in layer_blobs],
    }
    content = json.dumps(document).encode()
    manifest = Manifest(
        repository_id=repository.id,
        digest=_digest(content),
        media_type=OCI_MANIFEST,
        config_media_type=config_type,
        content=content,
        size=len(content),
        image_size=sum(blob.size for blob in layer_blobs),
        is_index=False,
    )
    session.add(manifest)
    session.flush()
    for blob in {blob.id: blob for blob in (config_blob, *layer_blobs)}.values():
        session.add(ManifestBlob(manifest_id=manifest.id, blob_id=blob.id, repository_id=repository.id))
    put_tag(session, repository, tag, manifest.id, manifest.digest, actor=actor)
    return manifest


def _push_blob(session: Session, storage: StorageDriver, repository: Repository, data: bytes) -> Blob:
    blob = Blob(digest=_digest(data), size=len(data), path=f"blobs/{uuid4()}")
    storage.write(blob.path, data)
    session.add(blob)
    session.flush()
    session.add(RepositoryBlob(repository_id=repository.id, blob_id=blob.id))
    session.flush()
    return blob


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
