"""Manage robot accounts of users and organizations."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from pydantic import Field

from api.endpoint import Body, Query, Ready, Resource, Section, View, joined, listed, operation, written
from api.rules import org_admin, org_member, user_admin
from api.v1.views import AvatarView, Moment, Sparse, avatar_of_team
from models import robots
from models.access import administers
from models.tables import Account, Organization, Robot, User

section = Section("robot", __doc__)


class RobotsQuery(Query):
    limit: int | None = Field(None, ge=0, le=2**31 - 1, description="If specified, the most robots to return; 0: all")
    token: bool = Field(True, description="If false, the robots' tokens are left out")
    permissions: bool = Field(False, description="Whether to include repositories and teams in which the robots are")


class RobotDescription(Body):
    description: str = Field("", max_length=255, description="What the robot is for")
    unstructured_metadata: dict[str, Any] | None = Field(None, description="Any JSON object, kept for the client")


class ListedRobot(View):
    name: str
    created: Moment
    last_accessed: Moment | None
    description: str
    token: Sparse[str] = None


class RobotTeam(View):
    name: str
    avatar: AvatarView


class RobotPlaces(View):
    teams: list[RobotTeam]
    repositories: list[str]


class PermittedRobot(RobotPlaces, ListedRobot):
    """A robot with the teams it is in, and the repositories in which it has permissions."""


class RobotView(ListedRobot):
    unstructured_metadata: dict[str, Any] | None


class RobotsView(View):
    robots: list[PermittedRobot | ListedRobot]


class RobotRepository(View):
    name: str
    is_public: bool


class RobotPermission(View):
    repository: RobotRepository
    role: str


class RobotPermissionsView(View):
    permissions: list[RobotPermission]


_NOWHERE = written(RobotPlaces(teams=[], repositories=[]))


def _size(places: Mapping[int, bytes]) -> int:
    return sum(map(len, places.values()))


class _Robots(Resource):
    """What the operations for users and for organizations share; `owner` is either."""

    def list_of(self, owner: Account, query: RobotsQuery) -> Ready[RobotsView]:
        found = robots.list_robots(self.session, owner, limit=query.limit or None)
        shown = [written(ListedRobot(**self.facts(robot, token=query.token))) for robot in found]
        if query.permissions:
            places = self.remembered(owner, "places of robots", partial(self.places, owner), _size)
            shown = [joined(each, places.get(robot.id, _NOWHERE)) for each, robot in zip(shown, found, strict=True)]
        return Ready(b'{"robots":%s}' % listed(shown))

    def places(self, owner: Account) -> dict[int, bytes]:
        """By the robot's id, the JSON of where it is; robots that are nowhere are left out."""
        repositories = robots.list_robot_repositories(self.session, owner)
        teams = robots.list_robot_teams(self.session, owner)
        shown = {
            robot_id: [RobotTeam(name=team.name, avatar=avatar_of_team(team)) for team in teams.get(robot_id, ())]
            for robot_id in repositories.keys() | teams.keys()
        }
        return {
            robot_id: written(RobotPlaces(teams=inside, repositories=repositories.get(robot_id, [])))
            for robot_id, inside in shown.items()
        }

    def show(self, robot: Robot) -> RobotView:
        return RobotView(**self.facts(robot), unstructured_metadata=robot.unstructured_metadata or {})

    def create_in(self, owner: Account, shortname: str, body: RobotDescription | None) -> RobotView:
        given = body or RobotDescription.model_validate({})
        robot = robots.create_robot(
            self.session,
            owner,
            shortname,
            description=given.description,
            metadata=given.unstructured_metadata,
            actor=self.caller,
        )
        # As in Quay, what was not given is null this once.
        return RobotView(**self.facts(robot), unstructured_metadata=robot.unstructured_metadata)

    def regenerate(self, owner: Account, shortname: str) -> RobotView:
        robot = robots.get_robot(self.session, owner, shortname)
        robots.regenerate_token(self.session, robot, actor=self.caller)
        return self.show(robot)

    def permissions_of(self, owner: Account, shortname: str) -> RobotPermissionsView:
        robot = robots.get_robot(self.session, owner, shortname)
        found = robots.list_robot_permissions(self.session, [robot]).get(robot.id, [])
        return RobotPermissionsView.model_validate({"permissions": found}, from_attributes=True)

    def facts(self, robot: Robot, *, token: bool = True) -> dict[str, Any]:
        return {
            "name": robot.name,
            "created": robot.created_at,
            "last_accessed": robot.last_accessed_at,
            "description": robot.description or "",
            "token": robots.clear_token(self.session, robot) if token else None,
        }


@section.at("/user/robots")
class UserRobots(_Robots):
    @operation("getUserRobots", allow=user_admin)
    def get(self, user: User, query: RobotsQuery) -> Ready[RobotsView]:
        """List the available robots for the user."""
        return self.list_of(user, query)


@section.at("/user/robots/<robot_shortname>")
class UserRobot(_Robots):
    @operation("getUserRobot", allow=user_admin)
    def get(self, user: User, robot_shortname: str) -> RobotView:
        """Returns the user's robot with the specified name."""
        return self.show(robots.get_robot(self.session, user, robot_shortname))

    @operation("createUserRobot", allow=user_admin, status=201)
    def put(self, user: User, robot_shortname: str, body: RobotDescription | None) -> RobotView:
        """Create a new user robot with the specified name."""
        return self.create_in(user, robot_shortname, body)

    @operation("deleteUserRobot", allow=user_admin)
    def delete(self, user: User, robot_shortname: str) -> None:
        """Delete an existing robot."""
        robots.remove_robot(self.session, robots.get_robot(self.session, user, robot_shortname), actor=self.caller)


@section.at("/user/robots/<robot_shortname>/permissions")
class UserRobotPermissions(_Robots):
    @operation("getUserRobotPermissions", allow=user_admin)
    def get(self, user: User, robot_shortname: str) -> RobotPermissionsView:
        """Returns the list of repository permissions for the user's robot."""
        return self.permissions_of(user, robot_shortname)


@section.at("/user/robots/<robot_shortname>/regenerate")
class RegenerateUserRobot(_Robots):
    @operation("regenerateUserRobotToken", allow=user_admin)
    def post(self, user: User, robot_shortname: str) -> RobotView:
        """Regenerates the token for a user's robot."""
        return self.regenerate(user, robot_shortname)


@section.at("/organization/<orgname>/robots")
class OrganizationRobots(_Robots):
    @operation("getOrgRobots", allow=org_member)
    def get(self, organization: Organization, query: RobotsQuery) -> Ready[RobotsView]:
        """List the organization's robots; tokens and permissions are for its administrators."""
        if not administers(self.session, self.caller, organization):
            query = query.model_copy(update={"token": False, "permissions": False})
        return self.list_of(organization, query)


@section.at("/organization/<orgname>/robots/<robot_shortname>")
class OrganizationRobot(_Robots):
    @operation("getOrgRobot", allow=org_admin)
    def get(self, organization: Organization, robot_shortname: str) -> RobotView:
        """Returns the organization's robot with the specified name."""
        return self.show(robots.get_robot(self.session, organization, robot_shortname))

    @operation("createOrgRobot", allow=org_admin, status=201)
    def put(self, organization: Organization, robot_shortname: str, body: RobotDescription | None) -> RobotView:
        """Create a new robot in the organization."""
        return self.create_in(organization, robot_shortname, body)

    @operation("deleteOrgRobot", allow=org_admin)
    def delete(self, organization: Organization, robot_shortname: str) -> None:
        """Delete an existing organization robot."""
        robots.remove_robot(
            self.session, robots.get_robot(self.session, organization, robot_shortname), actor=self.caller
        )


@section.at("/organization/<orgname>/robots/<robot_shortname>/permissions")
class OrganizationRobotPermissions(_Robots):
    @operation("getOrgRobotPermissions", allow=org_admin)
    def get(self, organization: Organization, robot_shortname: str) -> RobotPermissionsView:
        """Returns the list of repository permissions for the org's robot."""
        return self.permissions_of(organization, robot_shortname)


@section.at("/organization/<orgname>/robots/<robot_shortname>/regenerate")
class RegenerateOrganizationRobot(_Robots):
    @operation("regenerateOrgRobotToken", allow=org_admin)
    def post(self, organization: Organization, robot_shortname: str) -> RobotView:
        """Regenerates the token for an organization robot."""
        return self.regenerate(organization, robot_shortname)
