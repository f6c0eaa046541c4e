"""Find users, robots, teams and organizations by the beginning of their names."""

from typing import Literal

from pydantic import Field

from api.endpoint import Query, Resource, Section, View, operation
from api.rules import visitor
from api.v1.views import AvatarView, Sparse, avatar_of, avatar_of_team
from models import entities
from models.access import administers, find_namespace, namespace_role
from models.errors import NotFound
from models.organizations import members_among
from models.tables import Account, Organization, Robot, User

section = Section("search", __doc__)

LIMIT = 10


class EntitiesQuery(Query):
    namespace: str = Field("", description="Also find the robots, and with `includeTeams` the teams, of this namespace")
    include_teams: bool = Field(False, alias="includeTeams", description="Whether to include team names")
    include_orgs: bool = Field(
        False, alias="includeOrgs", description="Whether to include the namespace, if it is an organization"
    )


class EntityView(View):
    """`is_org_member` is there for members of the organization that is asked about."""

    name: str
    kind: Literal["user", "team", "org"]
    is_robot: Sparse[bool] = None
    avatar: AvatarView
    is_org_member: Sparse[bool] = None


class EntitiesView(View):
    results: list[EntityView]


class LinkedEntityView(View):
    entity: EntityView


@section.at("/entities/<prefix>")
class Entities(Resource):
    @operation("getMatchingEntities", allow=visitor)
    def get(self, prefix: str, query: EntitiesQuery) -> EntitiesView:
        """Get a list of entities that match the specified prefix.

        Who is not signed in finds only the user of exactly that name.
        """
        start = prefix.replace(" ", "").lower()
        namespace = find_namespace(self.session, query.namespace) if query.namespace else None
        if isinstance(namespace, Organization) and self.is_member(namespace):
            return EntitiesView(results=self.in_organization(namespace, start, query))
        robots = self.robots_of(namespace, start) if isinstance(namespace, User) else []
        users = self.users(start)
        return EntitiesView(results=[_account(account) for account in [*robots, *users][:LIMIT]])

    def in_organization(self, organization: Organization, start: str, query: EntitiesQuery) -> list[EntityView]:
        accounts = [*self.robots_of(organization, start), *self.users(start)][:LIMIT]
        members = members_among(self.session, organization, [account.id for account in accounts])
        shown = [_account(account, is_member=account.id in members) for account in accounts]
        if query.include_teams:
            teams = entities.find_teams_of(self.session, organization, start, limit=LIMIT)
            shown = [_entity(team.name, "team", avatar_of_team(team)) for team in teams] + shown
        if query.include_orgs and organization.name.startswith(start) and self.administers(organization):
            shown.append(_entity(organization.name, "org", avatar_of(organization)))
        return shown

    def users(self, start: str) -> list[User]:
        exactly = self.caller.is_anonymous or not self.settings.FEATURE_PARTIAL_USER_AUTOCOMPLETE
        return list(entities.find_users(self.session, start, exactly=exactly, limit=LIMIT))

    def robots_of(self, namespace: User | Organization, start: str) -> list[Robot]:
        if not self.administers(namespace):
            return []
        return list(entities.find_robots_of(self.session, namespace, start, limit=LIMIT))

    def is_member(self, organization: Organization) -> bool:
        caller = self.caller
        return caller.may_use("org:admin") and namespace_role(self.session, caller, organization) is not None

    def administers(self, namespace: Account) -> bool:
        return administers(self.session, self.caller, namespace)


@section.at("/entities/link/<username>")
class LinkedEntity(Resource):
    @operation("linkExternalUser", allow=visitor)
    def post(self, username: str) -> LinkedEntityView:
        """Make an account for a user of the directory that the installation takes its users from.

        There is none: users sign in with a password or at an OpenID provider, which cannot be asked for others.
        """
        raise NotFound("This installation takes its users from no directory")


def _account(account: Account, *, is_member: bool | None = None) -> EntityView:
    return EntityView(
        name=account.name,
        kind="user",
        is_robot=account.kind == "robot",
        avatar=avatar_of(account),
        is_org_member=is_member,
    )


def _entity(name: str, kind: Literal["team", "org"], avatar: AvatarView) -> EntityView:
    return EntityView(name=name, kind=kind, avatar=avatar, is_org_member=True)
