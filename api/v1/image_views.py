"""An image as Quay showed it before there were manifests."""

from pydantic import Field

from api.endpoint import View
from api.v1.views import Moment
from models.images import image_id
from models.tables import Manifest


class ImageView(View):
    """An image. `sort_index` and `ancestors` tell what lies below it, where that is looked up."""

    id: str
    created: Moment
    comment: str = ""
    command: str = ""
    size: int = Field(description="Bytes of its layers, compressed")
    uploading: bool = False
    sort_index: int = 0
    ancestors: str = Field(
        default="", description="The ids of the images below, the lowest first, with slashes around each"
    )


def plain_image(manifest: Manifest) -> ImageView:
    """The image of a whole manifest, as far as its row tells."""
    return ImageView(id=image_id(manifest.digest), created=manifest.created_at, size=manifest.image_size)
