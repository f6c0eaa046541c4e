"""Star repositories, to find them again."""

from pydantic import Field

from api.endpoint import Body, Query, Resource, Section, View, operation
from api.rules import stargazer, user_admin
from api.v1.paging import next_page, page_start
from api.v1.views import Sparse
from models import repositories, stars
from models.repositories import Filter
from models.tables import User

section = Section("user", __doc__)

PAGE = 100


class StarsQuery(Query):
    next_page: str | None = Field(None, description="The page token of the page before")


class NewStar(Body):
    namespace: str = Field(description="The user or organization that the repository belongs to")
    repository: str = Field(description="The name of the repository, without the namespace")


class StarView(View):
    namespace: str
    repository: str


class StarredRepository(View):
    namespace: str
    name: str
    description: str
    is_public: bool


class StarredRepositories(View):
    repositories: list[StarredRepository]
    next_page: Sparse[str] = None


@section.at("/user/starred")
class Stars(Resource):
    @operation("listStarredRepos", allow=user_admin)
    def get(self, user: User, query: StarsQuery) -> StarredRepositories:
        """List the starred repositories that the user may see."""
        bound = f"stars {user.id}"
        after = page_start(self.settings, query.next_page, bound)
        starred = Filter(starred=True)
        found = repositories.list_repositories(self.session, self.caller, starred, after=after, limit=PAGE + 1)
        more = next_page(self.settings, found[PAGE - 1].id, bound) if len(found) > PAGE else None
        shown = [
            StarredRepository(
                namespace=each.namespace, name=each.name, description=each.description, is_public=each.is_public
            )
            for each in found[:PAGE]
        ]
        return StarredRepositories(repositories=shown, next_page=more)

    @operation("createStar", allow=stargazer, status=201)
    def post(self, user: User, body: NewStar) -> StarView:
        """Star a repository."""
        stars.star(self.session, user, body.namespace, body.repository, actor=self.caller)
        return StarView(namespace=body.namespace, repository=body.repository)


@section.at("/user/starred/<repopath:repository>")
class SingleStar(Resource):
    @operation("deleteStar", allow=user_admin)
    def delete(self, user: User, repository: str) -> None:
        """Remove a star from a repository."""
        stars.unstar(self.session, user, repository)
