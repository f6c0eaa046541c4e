"""List and look up images by the ids they had before there were manifests."""

import json
from itertools import accumulate
from typing import Any

from pydantic import Field

from api.endpoint import Answer, Query, Section, View, operation
from api.rules import repo_read
from api.v1 import tags
from api.v1.image_views import ImageView, plain_image
from api.v1.manifests import ImageReader
from models import images
from models.errors import NotFound
from models.manifests import find_manifest, get_manifest
from models.tables import Manifest, Repository
from models.tags import find_tag

section = Section("image", __doc__)

MOST_LISTED = 500
"""Tags of a repository whose images are listed, the newest."""
DEPRECATED = {"Deprecation": "true"}
"""As Quay's answers to these operations have it; they are not going away here."""
DEEPEST = 200
"""Layers of an image that are shown as images of their own; no image that can be run has so many."""


class TagImagesQuery(Query):
    owned: bool = Field(False, description="Only images that no other tag names")


class TaggedImage(ImageView):
    tags: list[str]


class DetailedImage(ImageView):
    history: list[ImageView] = Field(description="The images below, the nearest first")


class ImagesView(View):
    images: list[ImageView]


class TaggedImagesView(View):
    images: list[TaggedImage]


class _Images(ImageReader):
    def stack(self, repository: Repository, manifest: Manifest) -> list[ImageView]:
        """The images of a manifest, its content loaded, the top one first."""
        layers = self.layers_of(repository, manifest)
        if not 0 < len(layers) <= DEEPEST:
            return [plain_image(manifest)]
        ids = [images.image_id(manifest.digest, len(layers) - 1 - height) for height in range(len(layers))]
        sizes = list(accumulate(layer.compressed_size or 0 for layer in layers))
        return [
            ImageView(
                id=ids[height],
                created=layer.created_datetime or manifest.created_at,
                comment=layer.comment or "",
                command=layer.command[0] if layer.command else "",
                size=sizes[height],
                sort_index=height,
                ancestors="".join(f"/{id_}" for id_ in ids[:height]) + "/" * bool(height),
            )
            for height, layer in reversed(list(enumerate(layers)))
        ]


@section.at("/repository/<repopath:repository>/image/")
class RepositoryImages(_Images):
    @operation("listRepositoryImages", allow=repo_read)
    def get(self, repository: Repository) -> Answer[TaggedImagesView]:
        """List the images for the specified repository: those that its newest 500 tags name."""
        found = images.tagged_images(self.session, repository, limit=MOST_LISTED)
        shown = [TaggedImage(**dict(plain_image(manifest)), tags=names) for manifest, names in found.items()]
        return Answer(TaggedImagesView(images=shown), DEPRECATED)


@section.at("/repository/<repopath:repository>/image/<image_id>")
class RepositoryImage(_Images):
    @operation("getImage", allow=repo_read)
    def get(self, repository: Repository, image_id: str) -> Answer[DetailedImage]:
        """Get the information available for the specified image."""
        manifest, below = images.find_image(self.session, repository, image_id)
        stack = self.stack(repository, manifest)
        if below >= len(stack):
            raise NotFound("Not Found")
        return Answer(DetailedImage(**dict(stack[below]), history=stack[below + 1 :]), DEPRECATED)


@tags.section.at("/repository/<repopath:repository>/tag/<tag>/images")
class TagImages(_Images):
    @operation("listTagImages", allow=repo_read)
    def get(self, repository: Repository, tag: str, query: TagImagesQuery) -> Answer[ImagesView]:
        """List the images for the specified repository tag, the top one first; of an index, those for linux/amd64."""
        found = find_tag(self.session, repository, tag)
        if found is None:
            raise NotFound("Not Found")
        if query.owned and images.is_named_by_others(self.session, found):
            return Answer(ImagesView(images=[]), DEPRECATED)
        manifest = self.image_of(repository, found.manifest)
        return Answer(ImagesView(images=self.stack(repository, manifest) if manifest else []), DEPRECATED)

    def image_of(self, repository: Repository, named: Manifest) -> Manifest | None:
        content = get_manifest(self.session, repository, named.digest)
        if not content.is_index:
            return content
        chosen = _for_most(json.loads(content.content))
        return find_manifest(self.session, repository.id, chosen, content=True) if chosen else None


def _for_most(index: dict[str, Any]) -> str | None:
    """The digest of the image that Docker on the commonest kind of machine would take."""
    for child in index["manifests"]:
        platform = child.get("platform")
        if isinstance(platform, dict) and (platform.get("os"), platform.get("architecture")) == ("linux", "amd64"):
            return str(child["digest"])
    return None
