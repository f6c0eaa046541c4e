"""Tell what is known of vulnerabilities in images."""

from typing import Literal

from pydantic import Field

from api.endpoint import Query, Resource, Section, View, operation
from api.rules import repo_read
from api.v1.manifests import checked_digest
from models import images, manifests
from models.tables import Manifest, Repository
from registry.labels import CONFIGS

section = Section("secscan", __doc__)


class SecurityQuery(Query):
    vulnerabilities: bool = Field(False, description="Include vulnerabilities, where the image was scanned")


class SecurityView(View):
    """`queued` until something has scanned the image; what is none is `unsupported`. `data`: what was found."""

    status: Literal["queued", "unsupported"]
    data: None


@section.at("/repository/<repopath:repository>/manifest/<manifestref>/security")
class ManifestSecurity(Resource):
    @operation("getRepoManifestSecurity", allow=repo_read)
    def get(self, repository: Repository, manifestref: str, query: SecurityQuery) -> SecurityView:
        """Tell what is known of vulnerabilities in a manifest."""
        return _view(manifests.get_manifest(self.session, repository, checked_digest(manifestref)))


@section.at("/repository/<repopath:repository>/image/<imageid>/security")
class ImageSecurity(Resource):
    @operation("getRepoImageSecurity", allow=repo_read)
    def get(self, repository: Repository, imageid: str, query: SecurityQuery) -> SecurityView:
        """Fetches the features and vulnerabilities (if any) for a repository image."""
        manifest, _ = images.find_image(self.session, repository, imageid)
        return _view(manifest)


def _view(manifest: Manifest) -> SecurityView:
    is_image = manifest.is_index or manifest.config_media_type in CONFIGS
    return SecurityView(status="queued" if is_image else "unsupported", data=None)
