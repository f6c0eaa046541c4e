"""Manage the tags of a repository, and what they meant before."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import Field

from api.endpoint import NULL, Body, Query, Resource, Section, View, operation
from api.rules import repo_push, repo_read
from api.v1.views import Moment, Sparse
from models import tag_changes, tags
from models.errors import Invalid, NotFound
from models.images import find_image, image_id
from models.tables import Repository
from models.tags import ListedTag
from registry.names import Malformed, parse_tag

section = Section("tag", __doc__)

MOST_TAGS = 100
LAST_PAGE = 1_000_000
LAST_SECOND = 253_402_300_799
"""The end of the year 9999 as Unix time: no calendar here goes on."""
NameFilter = tuple[Literal["like", "eq"], str]


class TagsQuery(Query):
    only_active: bool = Field(False, alias="onlyActiveTags", description="Only tags that are in force")
    page: int = Field(1, description="Page index for the results, from 1")
    limit: int = Field(50, description=f"Limit to the number of results to return per page, 1 to {MOST_TAGS}")
    filter_tag_name: str | None = Field(None, description="`like:text` or `eq:text`: limits the tags by their names")
    specific: str | None = Field(None, alias="specificTag", description="Filters the tags to the specific tag")

    @property
    def is_quick(self) -> bool:
        return self.page == 1 and self.filter_tag_name is None and self.specific is None


class TagView(View):
    """A stretch of a tag's life; `end_ts` and `expiration` are there where it has ended or is going to."""

    name: str
    reversion: bool = Field(description="Whether it was brought back from the tag's history")
    immutable: bool
    start_ts: int = Field(description="Unix time in seconds")
    end_ts: Sparse[int] = None
    manifest_digest: str
    is_manifest_list: bool
    docker_image_id: Sparse[str] = Field(None, description="The image, by the id it had before there were manifests")
    image_id: Sparse[str] = Field(None, description="The same")
    size: int = Field(description="Bytes of the layers, compressed")
    last_modified: Moment
    expiration: Sparse[Moment] = None


class EmptyView(View):
    """Nothing but an object."""


class TagsView(View):
    tags: list[TagView]
    page: int
    has_additional: bool


class TagChange(Body):
    manifest_digest: Annotated[str | None, NULL] = Field(
        None, max_length=140, description="The manifest that the tag names from now on; a tag that is missing is made"
    )
    image: Annotated[str | None, NULL] = Field(
        None, max_length=64, description="The same by the image's id; the digest weighs more"
    )
    expiration: Annotated[float | None, NULL] = Field(
        None, ge=0, le=LAST_SECOND, description="When the tag ends, as Unix time in seconds; null: never"
    )
    immutable: bool | None = Field(
        None, description="Whether nothing may change the tag; to end that takes an administrator of the repository"
    )


class TagRestoration(Body):
    manifest_digest: str | None = Field(None, max_length=140, description="What the tag is to name again")
    image: str | None = Field(None, max_length=64, description="The same by the image's id; the digest weighs more")


@section.at("/repository/<repopath:repository>/tag/")
class RepositoryTags(Resource):
    @operation("listRepoTags", allow=repo_read, hot=True)
    def get(self, repository: Repository, query: TagsQuery) -> TagsView:
        """List the tags of the repository, newest first."""
        found = tags.list_tags(
            self.session,
            repository,
            page=min(max(query.page, 1), LAST_PAGE),
            limit=min(max(query.limit, 1), MOST_TAGS),
            specific=query.specific,
            name_filter=_name_filter(query.filter_tag_name),
            only_active=query.only_active,
        )
        return TagsView(tags=[_view(tag) for tag in found.tags], page=found.page, has_additional=found.has_additional)


class _Tag(Resource):
    def named(self, repository: Repository, body: TagChange | TagRestoration) -> str | None:
        """The digest of what the body names; NotFound if it names an image that is not here, or a digest of null."""
        if body.manifest_digest is not None or body.image is None:
            if body.manifest_digest is None and "manifest_digest" in body.model_fields_set:
                raise NotFound("Not Found")
            return body.manifest_digest
        manifest, below = find_image(self.session, repository, body.image, deleted=True)
        if below:
            raise NotFound("Not Found")
        return manifest.digest


@section.at("/repository/<repopath:repository>/tag/<tag>")
class RepositoryTag(_Tag):
    @operation("changeTag", allow=repo_push, status=201)
    def put(self, repository: Repository, tag: str, body: TagChange) -> Literal["Updated"]:
        """Change what a tag names, when it expires, and whether it is immutable; what is not given stays as it is."""
        name = _checked(tag)
        digest = self.named(repository, body)
        if digest is not None:
            tag_changes.move_tag(self.session, repository, name, digest, actor=self.caller)
        if "expiration" in body.model_fields_set:
            at = None if body.expiration is None else datetime.fromtimestamp(body.expiration, UTC)
            tag_changes.change_expiration(self.session, repository, name, at, actor=self.caller)
        if body.immutable is not None:
            tag_changes.change_immutability(self.session, repository, name, immutable=body.immutable, actor=self.caller)
        return "Updated"

    @operation("deleteFullTag", allow=repo_push)
    def delete(self, repository: Repository, tag: str) -> None:
        """Delete the tag; for as long as the namespace keeps history it can be restored."""
        tags.remove_tag(self.session, repository, tag, actor=self.caller)


@section.at("/repository/<repopath:repository>/tag/<tag>/restore")
class RestoredTag(_Tag):
    @operation("restoreTag", allow=repo_push)
    def post(self, repository: Repository, tag: str, body: TagRestoration) -> EmptyView:
        """Let the tag name a manifest again that it named before."""
        digest = self.named(repository, body)
        if digest is None:
            raise Invalid("manifest_digest: this field is required")
        tag_changes.restore_tag(self.session, repository, _checked(tag), digest, actor=self.caller)
        return EmptyView()


def tag_end(tag: ListedTag) -> datetime | None:
    """When the tag ended, or is going to."""
    end_ms = tag.end_ms if tag.end_ms is not None else tag.expires_ms
    return None if end_ms is None else moment(end_ms)


def image_of(tag: ListedTag) -> str | None:
    """The id of the image that the tag means; of an index, None."""
    return None if tag.is_index else image_id(tag.digest)


def moment(unix_ms: int) -> datetime:
    return datetime.fromtimestamp(unix_ms // 1000, UTC)


def _view(tag: ListedTag) -> TagView:
    end, image = tag_end(tag), image_of(tag)
    return TagView(
        name=tag.name,
        reversion=tag.reversion,
        immutable=tag.immutable,
        start_ts=tag.start_ms // 1000,
        end_ts=None if end is None else int(end.timestamp()),
        manifest_digest=tag.digest,
        is_manifest_list=tag.is_index,
        docker_image_id=image,
        image_id=image,
        size=tag.image_size,
        last_modified=moment(tag.start_ms),
        expiration=end,
    )


def _checked(tag: str) -> str:
    try:
        return parse_tag(tag)
    except Malformed as exc:
        raise Invalid(f"tag: {exc}") from exc


def _name_filter(text: str | None) -> NameFilter | None:
    if text is None:
        return None
    kind, colon, name = text.partition(":")
    if not colon or kind not in ("like", "eq"):
        raise Invalid(f"filter_tag_name: expected like:text or eq:text, got {text[:60]!r}")
    return ("like", name) if kind == "like" else ("eq", name)
