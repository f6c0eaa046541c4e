"""Say whom other services may vouch for as a robot, which then needs no password."""

from pydantic import ConfigDict, Field, RootModel

from api.endpoint import Body, Resource, Section, View, operation
from api.rules import org_admin, user_admin
from api.v1.views import Sparse
from models import federation
from models.federation import LONGEST, MOST_RULES, Rule
from models.robots import get_robot
from models.tables import Account, Organization, User

section = Section("robot", __doc__)

MOST_AUDIENCES = 20


class FederationRule(Body):
    id: str | None = Field(None, description="Without effect; clients of newer Quays send back what they were shown")
    issuer: str = Field(max_length=LONGEST, description="The OpenID issuer: its URL, as in its tokens' `iss`")
    subject: str = Field(max_length=LONGEST, description="Who may be the robot, as in the tokens' `sub`")
    audiences: list[str] | None = Field(
        None, max_length=MOST_AUDIENCES, description="Whom the tokens have to be for (`aud`), one of these"
    )


class Federation(RootModel[list[FederationRule]]):
    """All that may be the robot, in place of what was there."""

    model_config = ConfigDict(frozen=True, strict=True)

    root: list[FederationRule] = Field(max_length=MOST_RULES)


class FederationView(View):
    issuer: str
    subject: str
    audiences: Sparse[list[str]] = None


class _Federations(Resource):
    """What the operations for users and for organizations share; `owner` is either."""

    def show(self, owner: Account, shortname: str) -> list[FederationView]:
        rules = federation.list_rules(self.session, get_robot(self.session, owner, shortname))
        return [
            FederationView(issuer=rule.issuer, subject=rule.subject, audiences=list(rule.audiences) or None)
            for rule in rules
        ]

    def change(self, owner: Account, shortname: str, body: Federation) -> list[FederationView]:
        rules = [Rule(each.issuer, each.subject, tuple(each.audiences or ())) for each in body.root]
        robot = get_robot(self.session, owner, shortname)
        federation.put_rules(self.session, robot, rules, actor=self.caller)
        return self.show(owner, shortname)

    def remove(self, owner: Account, shortname: str) -> None:
        federation.remove_rules(self.session, get_robot(self.session, owner, shortname), actor=self.caller)


@section.at("/user/robots/<robot_shortname>/federation")
class UserRobotFederation(_Federations):
    @operation("getUserRobotFederation", allow=user_admin)
    def get(self, user: User, robot_shortname: str) -> list[FederationView]:
        """Returns who may be the user's robot by another service's word."""
        return self.show(user, robot_shortname)

    @operation("createUserRobotFederation", allow=user_admin)
    def post(self, user: User, robot_shortname: str, body: Federation) -> list[FederationView]:
        """Sets who may be the user's robot by another service's word."""
        return self.change(user, robot_shortname, body)

    @operation("deleteUserRobotFederation", allow=user_admin)
    def delete(self, user: User, robot_shortname: str) -> None:
        """Lets nobody be the user's robot by another service's word."""
        self.remove(user, robot_shortname)


@section.at("/organization/<orgname>/robots/<robot_shortname>/federation")
class OrganizationRobotFederation(_Federations):
    @operation("getOrgRobotFederation", allow=org_admin)
    def get(self, organization: Organization, robot_shortname: str) -> list[FederationView]:
        """Returns who may be the organization's robot by another service's word."""
        return self.show(organization, robot_shortname)

    @operation("createOrgRobotFederation", allow=org_admin)
    def post(self, organization: Organization, robot_shortname: str, body: Federation) -> list[FederationView]:
        """Sets who may be the organization's robot by another service's word."""
        return self.change(organization, robot_shortname, body)

    @operation("deleteOrgRobotFederation", allow=org_admin)
    def delete(self, organization: Organization, robot_shortname: str) -> None:
        """Lets nobody be the organization's robot by another service's word."""
        self.remove(organization, robot_shortname)
