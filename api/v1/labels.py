"""Show and manage the labels of manifests."""

from typing import Annotated, Literal
from urllib.parse import quote

from pydantic import Field

from api.endpoint import NULL, Answer, Body, Query, Resource, View, operation
from api.rules import repo_push, repo_read
from api.v1.manifests import checked_digest, section
from models import labels, manifests
from models.errors import NotFound, Upstream
from models.tables import Manifest, ManifestLabel, Repository
from registry.labels import ImageLabel, image_labels
from registry.names import RepositoryName
from storage.driver import StorageError

__all__ = ["section"]  # that of manifests, with the operations on their labels


class LabelsQuery(Query):
    filter: str | None = Field(None, description="Only labels whose keys begin like this")


class NewLabel(Body):
    key: str = Field(description="Lower-case letters and digits, with single dots or dashes between them")
    value: str = Field(description="Any text")
    media_type: Annotated[Literal["text/plain", "application/json"] | None, NULL] = Field(
        description="What the value is; null: what it looks like"
    )


class LabelView(View):
    """A label; `source_type` tells whether the image has it (`manifest`), or somebody attached it (`api`)."""

    id: str
    key: str
    value: str
    source_type: str
    media_type: str


class LabelsView(View):
    labels: list[LabelView]


class AddedLabel(View):
    label: LabelView


class _Labels(Resource):
    def manifest(self, repository: Repository, manifestref: str) -> Manifest:
        return manifests.get_manifest(self.session, repository, checked_digest(manifestref))

    def of_image(self, repository: Repository, manifest: Manifest) -> list[ImageLabel]:
        name = RepositoryName(repository.namespace.name, repository.name)
        self.session.commit()  # there is nothing to write: the store may be slow, and others need the connection
        try:
            return image_labels(self.services, name, manifest)
        except StorageError as exc:
            raise Upstream("The store does not give the image's config; try again in a moment") from exc


@section.at("/repository/<repopath:repository>/manifest/<manifestref>/labels")
class ManifestLabels(_Labels):
    @operation("listManifestLabels", allow=repo_read)
    def get(self, repository: Repository, manifestref: str, query: LabelsQuery) -> LabelsView:
        """List the labels of a manifest: the image's own by key, then those that were attached to it."""
        manifest = self.manifest(repository, manifestref)
        attached = labels.list_labels(self.session, manifest)
        found: list[ImageLabel | ManifestLabel] = [*self.of_image(repository, manifest), *attached]
        return LabelsView(labels=[_view(label) for label in found if label.key.startswith(query.filter or "")])

    @operation("addManifestLabel", allow=repo_push, status=201)
    def post(self, repository: Repository, manifestref: str, body: NewLabel) -> Answer[AddedLabel]:
        """Attach a new label to the manifest."""
        labels.refuse_reserved(body.key, self.settings.LABEL_KEY_RESERVED_PREFIXES)
        manifest = self.manifest(repository, manifestref)
        label = labels.add_label(
            self.session,
            repository,
            manifest,
            body.key,
            body.value,
            media_type=body.media_type,
            actor=self.caller,
        )
        location = f"/api/v1/repository/{quote(repository.path)}/manifest/{manifest.digest}/labels/{label.uuid}"
        return Answer(AddedLabel(label=_view(label)), headers={"Location": location})


@section.at("/repository/<repopath:repository>/manifest/<manifestref>/labels/<labelid>")
class SingleManifestLabel(_Labels):
    @operation("getManifestLabel", allow=repo_read)
    def get(self, repository: Repository, manifestref: str, labelid: str) -> LabelView:
        """Show the label of the manifest that has the id."""
        manifest = self.manifest(repository, manifestref)
        attached = labels.find_label(self.session, manifest, labelid)
        if attached is not None:
            return _view(attached)
        if labels.is_of_image(labelid):
            for label in self.of_image(repository, manifest):
                if label.uuid == labelid:
                    return _view(label)
        raise NotFound("Not Found")

    @operation("deleteManifestLabel", allow=repo_push)
    def delete(self, repository: Repository, manifestref: str, labelid: str) -> None:
        """Delete a label that was attached to the manifest."""
        manifest = self.manifest(repository, manifestref)
        labels.remove_label(self.session, repository, manifest, labelid, actor=self.caller)


def _view(label: ManifestLabel | ImageLabel) -> LabelView:
    shown = {name: getattr(label, name) for name in ("key", "value", "source_type", "media_type")}
    return LabelView(id=label.uuid, **shown)
