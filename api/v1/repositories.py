"""List, create and manage repositories."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field

from api.endpoint import NULL, Body, Query, Resource, Section, View, operation
from api.rules import repo_admin, repo_create, repo_read, repo_write, repository_list
from api.v1.paging import next_page, page_start
from api.v1.quota_views import RepositoryQuotaReport, listed_report, repository_report
from api.v1.tags import image_of, moment, tag_end
from api.v1.views import Moment, Sparse, SuccessView
from models import activity, repositories, stars, tags
from models.access import repository_role
from models.errors import Invalid
from models.repositories import Filter
from models.roles import RANK
from models.tables import Repository

section = Section("repository", __doc__)

PAGE = 100
SHOWN_TAGS = 500
Visibility = Literal["public", "private"]


class RepositoriesQuery(Query):
    """At least one of `namespace`, `starred` and `public` is needed."""

    namespace: str | None = Field(None, description="Only repositories of this namespace")
    starred: bool = Field(False, description="Only repositories that the caller starred")
    public: bool = Field(False, description="Also public repositories in which the caller has no rights of its own")
    last_modified: bool = Field(False, description="Tell when each repository last got a tag")
    popularity: bool = Field(False, description="Tell how much is done with each repository")
    repo_kind: str = Field("image", description="`image` is the only kind there is")
    next_page: str | None = Field(None, description="The page token of the page before")


class NewRepository(Body):
    repository: str = Field(
        validation_alias=AliasChoices("repository", "name"),
        description="The name, without the namespace; `name` is accepted, too",
    )
    namespace: str | None = Field(None, description="The user or organization; by default the caller's own")
    visibility: Visibility = Field("private", description="Who may pull: everybody, or only who has a permission")
    description: str = Field("", max_length=65536, description="Text in Markdown")
    repo_kind: Annotated[Literal["image"] | None, NULL] = Field(None, description="`image` is the only kind there is")


class RepositoryUpdate(Body):
    description: str = Field(max_length=65536, description="Text in Markdown")


class VisibilityChange(Body):
    visibility: Visibility = Field(description="Who may pull: everybody, or only who has a permission")


class TrustChange(Body):
    trust_enabled: bool = Field(description="Whether the repository's tags are meant to be signed")


class StateChange(Body):
    state: Literal["NORMAL", "READ_ONLY", "MIRROR"] = Field(
        description="Who may change the content: everybody with the right to, nobody, or a mirror alone"
    )


class ListedRepository(View):
    namespace: str
    name: str
    description: str
    is_public: bool
    kind: Literal["image"] = "image"
    state: str
    is_starred: Sparse[bool] = None
    popularity: Sparse[float] = None
    quota_report: Sparse[RepositoryQuotaReport] = None


class DatedRepository(ListedRepository):
    last_modified: int | None = Field(description="Unix time in seconds")


class RepositoriesView(View):
    repositories: list[DatedRepository | ListedRepository]
    next_page: Sparse[str] = None


class CreatedRepository(View):
    namespace: str
    name: str
    kind: Literal["image"] = "image"


class RepositoryQuery(Query):
    include_tags: bool = Field(True, alias="includeTags", description="Whether to include the repository's tags")
    include_stats: bool = Field(False, alias="includeStats", description="Whether to include actions per day")

    @property
    def is_quick(self) -> bool:
        return not self.include_stats


class RepositoryTag(View):
    name: str
    size: int
    last_modified: Moment
    expiration: Sparse[Moment] = None
    manifest_digest: str
    image_id: Sparse[str] = None


class DayView(View):
    date: date
    count: int


class RepositoryView(View):
    namespace: str
    name: str
    kind: Literal["image"] = "image"
    description: str
    is_public: bool
    is_organization: bool
    is_starred: bool
    status_token: str = Field(description="Opens the build badge of a private repository")
    trust_enabled: bool
    tag_expiration_s: int
    is_free_account: bool = True
    state: str
    tags: Sparse[dict[str, RepositoryTag]] = None
    can_write: bool
    can_admin: bool
    stats: Sparse[list[DayView]] = None
    quota_report: Sparse[RepositoryQuotaReport] = None


@section.at("/repository")
class Repositories(Resource):
    @operation("listRepos", allow=repository_list)
    def get(self, query: RepositoriesQuery) -> RepositoriesView:
        """Fetch the list of repositories visible to the current user under a variety of situations."""
        only = self.checked(query)
        if query.repo_kind == "application":  # a kind that Quay had once
            return RepositoriesView(repositories=[])
        bound = repr((self.caller.account_id, only))
        after = page_start(self.settings, query.next_page, bound)
        found = repositories.list_repositories(self.session, self.caller, only, after=after, limit=PAGE + 1)
        page = found[:PAGE]
        more = next_page(self.settings, page[-1].id, bound) if len(found) > PAGE else None
        return RepositoriesView(repositories=self.show(page, query), next_page=more)

    @operation("createRepo", allow=repo_create, status=201)
    def post(self, body: NewRepository) -> CreatedRepository:
        """Create a new repository."""
        repository = repositories.create_repository(
            self.session,
            body.namespace if body.namespace is not None else self.caller.name or "",
            body.repository,
            actor=self.caller,
            public=body.visibility == "public",
            description=body.description,
            nested_names=self.settings.FEATURE_EXTENDED_REPOSITORY_NAMES,
        )
        return CreatedRepository(namespace=repository.namespace.name, name=repository.name)

    def checked(self, query: RepositoriesQuery) -> Filter:
        if query.namespace is None and not query.starred and not query.public:
            raise Invalid("namespace, starred or public are required for this API call")
        if query.starred and self.caller.account_id is None:
            raise Invalid("starred: only an account has starred repositories; send an access token")
        if query.repo_kind not in {"image", "application"}:
            raise Invalid(f"repo_kind: expected 'image', got {query.repo_kind[:60]!r}")
        return Filter(namespace=query.namespace, starred=query.starred, public=query.public)

    def show(
        self, page: list[repositories.ListedRepository], query: RepositoriesQuery
    ) -> list[DatedRepository | ListedRepository]:
        ids = [repository.id for repository in page]
        popular = activity.popularity(self.session, ids) if query.popularity else {}

        def facts(repository: repositories.ListedRepository) -> dict[str, Any]:
            return {
                "namespace": repository.namespace,
                "name": repository.name,
                "description": repository.description,
                "is_public": repository.is_public,
                "state": repository.state,
                "is_starred": None if self.caller.is_anonymous else repository.is_starred,
                "popularity": popular.get(repository.id, 0.0) if query.popularity else None,
                "quota_report": listed_report(self.settings, repository),
            }

        if not query.last_modified:
            return [ListedRepository(**facts(repository)) for repository in page]
        return [DatedRepository(**facts(each), last_modified=seconds(each.last_modified_ms)) for each in page]


def seconds(unix_ms: int | None) -> int | None:
    return None if unix_ms is None else unix_ms // 1000


@section.at("/repository/<repopath:repository>")
class SingleRepository(Resource):
    @operation("getRepo", allow=repo_read, hot=True)
    def get(self, repository: Repository, query: RepositoryQuery) -> RepositoryView:
        """Fetch the specified repository."""
        session, caller = self.session, self.caller
        namespace = repository.namespace
        rank = RANK[repository_role(session, caller, repository)]
        return RepositoryView(
            namespace=namespace.name,
            name=repository.name,
            description=repository.description,
            is_public=repository.is_public,
            is_organization=namespace.kind == "organization",
            is_starred=stars.is_starred(session, caller, repository),
            status_token="" if repository.is_public else repository.status_token,
            trust_enabled=repository.trust_enabled,
            tag_expiration_s=namespace.tag_expiration_s,
            state=repository.state,
            tags=self.tags_of(repository) if query.include_tags else None,
            can_write=rank >= RANK["write"],
            can_admin=rank >= RANK["admin"],
            stats=self.stats_of(repository) if query.include_stats else None,
            quota_report=repository_report(session, self.settings, repository),
        )

    @operation("updateRepo", allow=repo_write)
    def put(self, repository: Repository, body: RepositoryUpdate) -> SuccessView:
        """Update the description in the specified repository."""
        repositories.describe_repository(self.session, repository, body.description, actor=self.caller)
        return SuccessView()

    @operation("deleteRepository", allow=repo_admin)
    def delete(self, repository: Repository) -> None:
        """Delete a repository."""
        repositories.remove_repository(self.session, repository, actor=self.caller)

    def tags_of(self, repository: Repository) -> dict[str, RepositoryTag]:
        found = tags.list_tags(self.session, repository, limit=SHOWN_TAGS, only_active=True)
        return {
            tag.name: RepositoryTag(
                name=tag.name,
                size=tag.image_size,
                last_modified=moment(tag.start_ms),
                expiration=tag_end(tag),
                manifest_digest=tag.digest,
                image_id=image_of(tag),
            )
            for tag in found.tags
        }

    def stats_of(self, repository: Repository) -> list[DayView]:
        days = activity.daily_actions(self.session, repository)
        return [DayView(date=day, count=count) for day, count in days]


@section.at("/repository/<repopath:repository>/changevisibility")
class RepositoryVisibility(Resource):
    @operation("changeRepoVisibility", allow=repo_admin)
    def post(self, repository: Repository, body: VisibilityChange) -> SuccessView:
        """Change the visibility of a repository."""
        repositories.change_visibility(self.session, repository, body.visibility, actor=self.caller)
        return SuccessView()


@section.at("/repository/<repopath:repository>/changetrust")
class RepositoryTrust(Resource):
    @operation("changeRepoTrust", allow=repo_admin)
    def post(self, repository: Repository, body: TrustChange) -> SuccessView:
        """Change the trust settings of a repository."""
        repositories.change_trust(self.session, repository, enabled=body.trust_enabled, actor=self.caller)
        return SuccessView()


@section.at("/repository/<repopath:repository>/changestate")
class RepositoryState(Resource):
    @operation("changeRepoState", allow=repo_admin)
    def put(self, repository: Repository, body: StateChange) -> SuccessView:
        """Change the state of a repository."""
        repositories.change_state(self.session, repository, body.state, actor=self.caller)
        return SuccessView()
