"""Find repositories, and everything else that has a name."""

from typing import Literal

from pydantic import Field

from api.endpoint import Query, Resource, Section, View, operation
from api.rules import repository_list, visitor
from api.v1.views import AvatarView, Sparse, avatar_of, avatar_of_team
from models import activity, entities, repositories, search, stars
from models.likeness import likeness
from models.tables import Account, Repository, Robot, Team

section = Section("search", __doc__)

PAGE = 10
PAGES = 10
OF_EACH_KIND = 5
OF_ENTITIES, OF_TEAMS, OF_REPOSITORIES = 1, 2, 4
UNLIKE = 0.5
"""How like a result counts that was found by something else than its name."""


class SearchQuery(Query):
    query: str = Field("", description="The search query")


class RepositorySearchQuery(SearchQuery):
    page: int = Field(1, description=f"The page; there are {PAGES} at most")
    include_usage: bool = Field(
        False, alias="includeUsage", description="Tell when each repository last got a tag, its stars and popularity"
    )


class FoundEntity(View):
    title: Literal["user", "org", "robot"]
    kind: Literal["user", "organization", "robot"]
    avatar: AvatarView | None
    name: str
    score: int | float
    href: str
    short_name: Sparse[str] = None


class FoundTeam(View):
    kind: Literal["team"] = "team"
    name: str
    organization: FoundEntity
    avatar: AvatarView
    score: int | float
    href: str


class FoundRepository(View):
    kind: Literal["repository"] = "repository"
    title: Literal["repo"] = "repo"
    namespace: FoundEntity
    name: str
    description: str
    is_public: bool
    score: int | float
    href: str
    last_modified: Sparse[int] = None
    stars: Sparse[int] = None
    popularity: Sparse[float] = None


Found = FoundEntity | FoundTeam | FoundRepository


class SearchResults(View):
    results: list[Found]


class RepositoryResults(View):
    results: list[FoundRepository]
    has_additional: bool
    page: int
    page_size: int
    start_index: int


@section.at("/find/all")
class Search(Resource):
    @operation("conductSearch", allow=repository_list)
    def get(self, query: SearchQuery) -> SearchResults:
        """Get a list of entities and resources that match the specified query."""
        text = query.query.strip()
        if not text:
            return SearchResults(results=[])
        found = [*self.own(text.lower()), *self.seen(text)]
        for result in found:
            name = result.short_name if isinstance(result, FoundEntity) and result.short_name else result.name
            result.score *= likeness(name, text) or UNLIKE
        return SearchResults(results=sorted(found, key=lambda result: result.score, reverse=True))

    def own(self, start: str) -> list[Found]:
        """Teams and robots, which only concern who has to do with them."""
        session, caller = self.session, self.caller
        if caller.kind != "user":
            return []
        teams = entities.find_own_teams(session, caller, start, limit=OF_EACH_KIND)
        robots = entities.find_own_robots(session, caller, start, limit=OF_EACH_KIND)
        return [*map(_team, teams), *(_robot(robot, own=robot.owner_id == caller.account_id) for robot in robots)]

    def seen(self, text: str) -> list[Found]:
        session, caller = self.session, self.caller
        found = search.find_repositories(session, caller, text, limit=OF_EACH_KIND)
        namespaces = entities.find_namespaces(session, caller, text.lower(), limit=OF_EACH_KIND)
        return [*map(_repository, found), *map(_namespace, namespaces)]


@section.at("/find/repositories")
class RepositorySearch(Resource):
    @operation("conductRepoSearch", allow=visitor)
    def get(self, query: RepositorySearchQuery) -> RepositoryResults:
        """Get a list of repositories that match the specified query, the best matches first."""
        page = min(max(query.page, 1), PAGES)
        start = (page - 1) * PAGE
        found = search.find_repositories(self.session, self.caller, query.query, offset=start, limit=PAGE + 1)
        shown = [_repository(repository) for repository in found[:PAGE]]
        if query.include_usage:
            self.add_usage(shown, found)
        return RepositoryResults(
            results=shown, has_additional=len(found) > PAGE, page=page, page_size=PAGE, start_index=start
        )

    def add_usage(self, shown: list[FoundRepository], found: list[Repository]) -> None:
        ids = [repository.id for repository in found]
        changed = repositories.last_modified(self.session, ids)
        starred = stars.count_stars(self.session, ids)
        popular = activity.popularity(self.session, ids)
        for view, id_ in zip(shown, ids, strict=False):
            view.last_modified = changed.get(id_)
            view.stars = starred.get(id_, 0)
            view.popularity = popular.get(id_, 0.0)


def _namespace(account: Account) -> FoundEntity:
    is_organization = account.kind == "organization"
    return FoundEntity(
        title="org" if is_organization else "user",
        kind="organization" if is_organization else "user",
        avatar=avatar_of(account),
        name=account.name,
        score=OF_ENTITIES,
        href=f"/{'organization' if is_organization else 'user'}/{account.name}",
    )


def _robot(robot: Robot, *, own: bool) -> FoundEntity:
    owner = robot.name.partition("+")[0]
    return FoundEntity(
        title="robot",
        kind="robot",
        avatar=None,
        name=robot.name,
        score=OF_ENTITIES,
        href=f"/{'user' if own else 'organization'}/{owner}?tab=robots&showRobot={robot.name}",
        short_name=robot.shortname,
    )


def _team(team: Team) -> FoundTeam:
    return FoundTeam(
        name=team.name,
        organization=_namespace(team.organization),
        avatar=avatar_of_team(team),
        score=OF_TEAMS,
        href=f"/organization/{team.organization.name}/teams/{team.name}",
    )


def _repository(repository: Repository) -> FoundRepository:
    return FoundRepository(
        namespace=_namespace(repository.namespace),
        name=repository.name,
        description=repository.description,
        is_public=repository.is_public,
        score=OF_REPOSITORIES,
        href=f"/repository/{repository.path}",
    )
