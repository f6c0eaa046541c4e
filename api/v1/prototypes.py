"""Manage the default permissions of an organization's new repositories."""

from typing import Literal

from pydantic import ConfigDict, Field

from api.endpoint import Body, Resource, Section, View, operation
from api.rules import org_admin
from api.v1.views import AvatarView, avatar_of, avatar_of_team
from models import prototypes
from models.organizations import members_among
from models.prototypes import Delegate
from models.tables import Account, Organization, Prototype
from models.tables.repositories import RepositoryRole

section = Section("prototype", __doc__)


class ActivatingUser(Body):
    """Clients send back what they were shown; only the name counts."""

    model_config = ConfigDict(extra="ignore")

    name: str = Field(description="The name of the user or robot")


class DelegateDescription(Body):
    """Clients send back what they were shown; only name and kind count."""

    model_config = ConfigDict(extra="ignore")

    name: str = Field(description="The name of the user, robot or team")
    kind: Literal["user", "team"] = Field(description="`user` for robots, too")


class NewPrototype(Body):
    role: RepositoryRole = Field(description="What the delegate may do in each new repository")
    activating_user: ActivatingUser | None = Field(
        None, description="Only in repositories that this user creates; by default in all"
    )
    delegate: DelegateDescription = Field(description="Who gets the permission")


class PrototypeUpdate(Body):
    role: RepositoryRole = Field(description="What the delegate may do in each new repository")


class PrototypeUser(View):
    name: str
    is_robot: bool
    kind: Literal["user"] = "user"
    is_org_member: bool
    avatar: AvatarView


class PrototypeTeam(View):
    name: str
    kind: Literal["team"] = "team"
    avatar: AvatarView


class PrototypeView(View):
    activating_user: PrototypeUser | None
    delegate: PrototypeUser | PrototypeTeam
    role: RepositoryRole
    id: str


class PrototypesView(View):
    prototypes: list[PrototypeView]


class _Prototypes(Resource):
    def show(self, organization: Organization, found: list[Prototype]) -> list[PrototypeView]:
        accounts = [account for each in found for account in (each.activating_account, each.delegate_account)]
        ids = {account.id for account in accounts if account is not None}
        members = members_among(self.session, organization, list(ids))

        def user(account: Account) -> PrototypeUser:
            return PrototypeUser(
                name=account.name,
                is_robot=account.kind == "robot",
                is_org_member=account.id in members,
                avatar=avatar_of(account),
            )

        return [
            PrototypeView(
                activating_user=user(each.activating_account) if each.activating_account else None,
                delegate=user(each.delegate_account) if each.delegate_account else _team(each),
                role=each.role,
                id=each.uuid,
            )
            for each in found
        ]


@section.at("/organization/<orgname>/prototypes")
class OrganizationPrototypes(_Prototypes):
    @operation("getOrganizationPrototypePermissions", allow=org_admin)
    def get(self, organization: Organization) -> PrototypesView:
        """List the existing prototypes for this organization."""
        found = prototypes.list_prototypes(self.session, organization)
        return PrototypesView(prototypes=self.show(organization, found))

    @operation("createOrganizationPrototypePermission", allow=org_admin)
    def post(self, organization: Organization, body: NewPrototype) -> PrototypeView:
        """Create a new permission prototype, or set the role of the one for the same two."""
        prototype = prototypes.put_prototype(
            self.session,
            organization,
            body.role,
            activating=body.activating_user.name if body.activating_user else None,
            delegate=Delegate(kind=body.delegate.kind, name=body.delegate.name),
            actor=self.caller,
        )
        (view,) = self.show(organization, [prototype])
        return view


@section.at("/organization/<orgname>/prototypes/<prototypeid>")
class OrganizationPrototype(_Prototypes):
    @operation("updateOrganizationPrototypePermission", allow=org_admin)
    def put(self, organization: Organization, prototypeid: str, body: PrototypeUpdate) -> PrototypeView:
        """Update the role of an existing permission prototype."""
        prototype = prototypes.get_prototype(self.session, organization, prototypeid)
        prototypes.change_prototype(self.session, prototype, body.role, actor=self.caller)
        (view,) = self.show(organization, [prototype])
        return view

    @operation("deleteOrganizationPrototypePermission", allow=org_admin)
    def delete(self, organization: Organization, prototypeid: str) -> None:
        """Delete an existing permission prototype."""
        prototype = prototypes.get_prototype(self.session, organization, prototypeid)
        prototypes.remove_prototype(self.session, prototype, actor=self.caller)


def _team(prototype: Prototype) -> PrototypeTeam:
    team = prototype.delegate_team
    if team is None:
        raise TypeError("a prototype without a delegate")
    return PrototypeTeam(name=team.name, avatar=avatar_of_team(team))
