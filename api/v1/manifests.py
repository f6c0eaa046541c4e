"""Show the manifests of a repository."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from api.endpoint import Query, Resource, Section, View, operation
from api.rules import repo_read
from api.v1.layers import LayerView, describe_layers
from models import manifests
from models.errors import NotFound, Upstream
from models.tables import Manifest, Repository
from registry.blobs import find_blob
from registry.errors import BlobUnknown
from registry.names import Digest, Malformed, RepositoryName
from storage.driver import StorageError

section = Section("manifest", __doc__)

LARGEST_CONFIG = 4 * 1024 * 1024


class ManifestQuery(Query):
    include_modelcard: bool = Field(False, description="Accepted for clients that send it; there are no model cards")


class ManifestView(View):
    """A manifest; of an index `layers` is null."""

    digest: str
    is_manifest_list: bool
    manifest_data: str = Field(description="The manifest exactly as it was pushed")
    config_media_type: str | None
    layers_compressed_size: int
    layers: list[LayerView] | None


@section.at("/repository/<repopath:repository>/manifest/<manifestref>")
class RepositoryManifest(Resource):
    @operation("getRepoManifest", allow=repo_read)
    def get(self, repository: Repository, manifestref: str, query: ManifestQuery) -> ManifestView:
        """Show a manifest of the repository by its digest."""
        manifest = manifests.get_manifest(self.session, repository, _digest(manifestref))
        data = manifest.content.decode()
        document = json.loads(data)
        layers = None if manifest.is_index else describe_layers(document, self.config_of(repository, document))
        return ManifestView(
            digest=manifest.digest,
            is_manifest_list=manifest.is_index,
            manifest_data=data,
            config_media_type=manifest.config_media_type,
            layers_compressed_size=_layers_size(manifest, document),
            layers=layers,
        )

    def config_of(self, repository: Repository, document: Mapping[str, Any]) -> Mapping[str, Any]:
        """The image's config; empty where it is none of an image, or absurdly large."""
        name = RepositoryName(repository.namespace.name, repository.name)
        try:
            blob = find_blob(self.session, name, Digest.parse(str(document["config"]["digest"])))
            if blob.size > LARGEST_CONFIG:
                return {}
            config = json.loads(self.services.storage.read(blob.path))
        except (BlobUnknown, ValueError, RecursionError):
            return {}
        except StorageError as exc:
            raise Upstream("The store does not give the image's config; try again in a moment") from exc
        return config if isinstance(config, dict) else {}


def _layers_size(manifest: Manifest, document: Mapping[str, Any]) -> int:
    return 0 if manifest.is_index else sum(int(layer.get("size", 0)) for layer in document.get("layers", ()))


def _digest(text: str) -> str:
    try:
        return str(Digest.parse(text))
    except Malformed as exc:
        raise NotFound("Not Found") from exc
