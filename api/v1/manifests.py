"""Show the manifests of a repository."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from api.endpoint import Query, Resource, Section, View, operation
from api.rules import repo_read
from api.v1.image_views import ImageView, plain_image
from api.v1.layers import LayerView, describe_layers
from models import manifests
from models.errors import NotFound, Upstream
from models.tables import Manifest, Repository
from registry.blobs import find_blob
from registry.errors import BlobUnknown
from registry.names import Digest, Malformed, RepositoryName
from storage.driver import StorageError

section = Section("manifest", __doc__)

LARGEST_CONFIG = 1024 * 1024
"""Bytes of a config that are read for its history."""


class ManifestQuery(Query):
    include_modelcard: bool = Field(False, description="Accepted for clients that send it; there are no model cards")


class ManifestView(View):
    """A manifest; of an index `layers` and `image` are null."""

    digest: str
    is_manifest_list: bool
    manifest_data: str = Field(description="The manifest exactly as it was pushed")
    config_media_type: str | None
    layers_compressed_size: int
    layers: list[LayerView] | None
    image: ImageView | None


class ImageReader(Resource):
    """What operations share that look into images."""

    def layers_of(self, repository: Repository, manifest: Manifest) -> list[LayerView]:
        """The layers of an image, its content loaded, from the lowest up."""
        document = _object(manifest.content)
        return describe_layers(document, self.config_of(repository, document) if document else {})

    def config_of(self, repository: Repository, document: Mapping[str, Any]) -> Mapping[str, Any]:
        """The image's config; empty where it is none of an image, or absurdly large."""
        name = RepositoryName(repository.namespace.name, repository.name)
        try:
            blob = find_blob(self.session, name, Digest.parse(str(document["config"]["digest"])))
            if blob.size > LARGEST_CONFIG:
                return {}
            self.session.commit()  # there is nothing to write: the store may be slow, and others need the connection
            return _object(self.services.storage.read(blob.path))
        except (BlobUnknown, Malformed):
            return {}
        except StorageError as exc:
            raise Upstream("The store does not give the image's config; try again in a moment") from exc


@section.at("/repository/<repopath:repository>/manifest/<manifestref>")
class RepositoryManifest(ImageReader):
    @operation("getRepoManifest", allow=repo_read)
    def get(self, repository: Repository, manifestref: str, query: ManifestQuery) -> ManifestView:
        """Show a manifest of the repository by its digest."""
        manifest = manifests.get_manifest(self.session, repository, checked_digest(manifestref))
        return ManifestView(
            digest=manifest.digest,
            is_manifest_list=manifest.is_index,
            manifest_data=manifest.content.decode(errors="replace"),
            config_media_type=manifest.config_media_type,
            layers_compressed_size=manifest.image_size,
            image=None if manifest.is_index else plain_image(manifest),
            layers=None if manifest.is_index else self.layers_of(repository, manifest),
        )


def _object(content: bytes) -> dict[str, Any]:
    """The JSON object; an empty one if it is none that can be read."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def checked_digest(text: str) -> str:
    """The digest as it is stored; NotFound if it is none, for then there is nothing of that name."""
    try:
        return str(Digest.parse(text))
    except Malformed as exc:
        raise NotFound("Not Found") from exc
