"""List the tags of a repository, present and past."""

from datetime import UTC, datetime
from typing import Literal

from pydantic import Field

from api.endpoint import Query, Resource, Section, View, operation
from api.rules import repo_read
from api.v1.views import Moment, Sparse
from models import tags
from models.errors import Invalid
from models.tables import Repository, Tag

section = Section("tag", __doc__)

MOST_TAGS = 100
NameFilter = tuple[Literal["like", "eq"], str]


class TagsQuery(Query):
    only_active: bool = Field(False, alias="onlyActiveTags", description="Only tags that are in force")
    page: int = Field(1, ge=1, le=1_000_000, description="Page index for the results, from 1")
    limit: int = Field(50, ge=1, description=f"Limit to the number of results to return per page. Max {MOST_TAGS}.")
    filter_tag_name: str | None = Field(None, description="`like:text` or `eq:text`: limits the tags by their names")
    specific: str | None = Field(None, alias="specificTag", description="Filters the tags to the specific tag")


class TagView(View):
    """A stretch of a tag's life; `end_ts` and `expiration` are there where it has ended or is going to."""

    name: str
    reversion: bool
    start_ts: int = Field(description="Unix time in seconds")
    end_ts: Sparse[int] = None
    manifest_digest: str
    is_manifest_list: bool
    size: int = Field(description="Bytes of the layers, compressed")
    last_modified: Moment
    expiration: Sparse[Moment] = None


class TagsView(View):
    tags: list[TagView]
    page: int
    has_additional: bool


@section.at("/repository/<repopath:repository>/tag/")
class RepositoryTags(Resource):
    @operation("listRepoTags", allow=repo_read)
    def get(self, repository: Repository, query: TagsQuery) -> TagsView:
        """List the tags of the repository, newest first."""
        found = tags.list_tags(
            self.session,
            repository,
            page=query.page,
            limit=min(query.limit, MOST_TAGS),
            specific=query.specific,
            name_filter=_name_filter(query.filter_tag_name),
            only_active=query.only_active,
        )
        return TagsView(tags=[_view(tag) for tag in found.tags], page=found.page, has_additional=found.has_additional)


def tag_end(tag: Tag) -> datetime | None:
    """When the tag ended, or is going to."""
    end_ms = tag.end_ms if tag.end_ms is not None else tag.expires_ms
    return None if end_ms is None else moment(end_ms)


def moment(unix_ms: int) -> datetime:
    return datetime.fromtimestamp(unix_ms // 1000, UTC)


def _view(tag: Tag) -> TagView:
    end = tag_end(tag)
    return TagView(
        name=tag.name,
        reversion=tag.reversion,
        start_ts=tag.start_ms // 1000,
        end_ts=None if end is None else int(end.timestamp()),
        manifest_digest=tag.manifest.digest,
        is_manifest_list=tag.manifest.is_index,
        size=tag.manifest.image_size,
        last_modified=moment(tag.start_ms),
        expiration=end,
    )


def _name_filter(text: str | None) -> NameFilter | None:
    if text is None:
        return None
    kind, colon, name = text.partition(":")
    if not colon or kind not in ("like", "eq"):
        raise Invalid(f"filter_tag_name: expected like:text or eq:text, got {text[:60]!r}")
    return ("like", name) if kind == "like" else ("eq", name)
