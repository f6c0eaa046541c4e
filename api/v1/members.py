"""Say who belongs to an organization, and let people go."""

from functools import partial
from typing import Literal

from api.endpoint import Ready, Resource, Section, View, operation, written
from api.rules import fresh, org_admin
from api.v1.views import AvatarView, avatar, avatar_of
from models import members
from models.members import Belonging
from models.tables import Organization

section = Section("organization", __doc__)


class MemberTeam(View):
    name: str
    avatar: AvatarView


class OrganizationMemberView(View):
    """`repositories`: those in which the member has a permission of its own, not through a team."""

    name: str
    kind: Literal["user", "robot"]
    avatar: AvatarView
    teams: list[MemberTeam]
    repositories: list[str]


class OrganizationMembersView(View):
    members: list[OrganizationMemberView]


class CollaboratorView(View):
    kind: Literal["user"] = "user"
    name: str
    avatar: AvatarView
    repositories: list[str]


class CollaboratorsView(View):
    collaborators: list[CollaboratorView]


@section.at("/organization/<orgname>/members")
class OrganizationMembers(Resource):
    @operation("getOrganizationMembers", allow=org_admin)
    def get(self, organization: Organization) -> Ready[OrganizationMembersView]:
        """List the human members of the specified organization."""
        return Ready(self.remembered(organization, "members", partial(self.content, organization), len))

    def content(self, organization: Organization) -> bytes:
        found = members.list_members(self.session, organization)
        return written(OrganizationMembersView(members=[_member(each) for each in found]))


@section.at("/organization/<orgname>/members/<membername>")
class OrganizationMember(Resource):
    @operation("getOrganizationMember", allow=org_admin)
    def get(self, organization: Organization, membername: str) -> OrganizationMemberView:
        """Retrieves the details of a member of the organization."""
        return _member(members.get_member(self.session, organization, membername))

    @operation("removeOrganizationMember", allow=fresh(org_admin))
    def delete(self, organization: Organization, membername: str) -> None:
        """Removes a member from an organization.

        All its permissions in the organization's repositories and its places in teams are taken away.
        """
        members.remove_member(self.session, organization, membername, actor=self.caller)


@section.at("/organization/<orgname>/collaborators")
class OrganizationCollaborators(Resource):
    @operation("getOrganizationCollaborators", allow=org_admin)
    def get(self, organization: Organization) -> Ready[CollaboratorsView]:
        """List outside collaborators of the specified organization.

        They are in none of its teams, and have permissions in at least one of its repositories.
        """
        return Ready(self.remembered(organization, "collaborators", partial(self.content, organization), len))

    def content(self, organization: Organization) -> bytes:
        found = members.list_collaborators(self.session, organization)
        return written(
            CollaboratorsView(
                collaborators=[
                    CollaboratorView(
                        name=each.account.name, avatar=avatar_of(each.account), repositories=each.repositories
                    )
                    for each in found
                ]
            )
        )


def _member(member: Belonging) -> OrganizationMemberView:
    account = member.account
    return OrganizationMemberView(
        name=account.name,
        kind="robot" if account.kind == "robot" else "user",
        avatar=avatar_of(account),
        teams=[MemberTeam(name=team, avatar=avatar(team, team, "team")) for team in member.teams],
        repositories=member.repositories,
    )
