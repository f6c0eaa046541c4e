"""Create, change and delete an organization's teams, and say who is in them."""

from functools import partial
from typing import Literal

from pydantic import Field

from api.endpoint import Body, Query, Ready, Resource, Section, View, joined, listed, operation, written
from api.rules import fresh, org_admin, team_admin, team_view
from api.v1.invitations import InvitedAddressView, invited_address
from api.v1.views import AvatarView, avatar_of, avatar_of_team
from models import invitations, teams
from models.access import administers
from models.avatars import Pictured
from models.tables import Invitation, Organization, Team
from models.tables.accounts import TeamRole

section = Section("team", __doc__)


class TeamDescription(Body):
    role: TeamRole = Field(description="What members may do in the whole organization")
    description: str | None = Field(None, max_length=65536, description="Text in Markdown")


class TeamView(View):
    name: str
    description: str
    can_view: bool = True
    role: TeamRole
    avatar: AvatarView
    new_team: bool


class MembersQuery(Query):
    include_pending: bool = Field(
        False, alias="includePending", description="Administrators: also list who was invited and has not answered"
    )


class MemberView(View):
    name: str
    kind: Literal["user"] = "user"
    is_robot: bool
    avatar: AvatarView
    invited: bool = False


class SeenTeam(View):
    name: str
    can_edit: bool


class MembersView(SeenTeam):
    members: list[MemberView | InvitedAddressView]


class PermittedRepository(View):
    name: str
    is_public: bool


class TeamPermissionView(View):
    repository: PermittedRepository
    role: str


class TeamPermissionsView(View):
    permissions: list[TeamPermissionView]


@section.at("/organization/<orgname>/team/<teamname>")
class OrganizationTeam(Resource):
    @operation("updateOrganizationTeam", allow=fresh(org_admin))
    def put(self, organization: Organization, teamname: str, body: TeamDescription) -> TeamView:
        """Update the org-wide permission for the specified team, or create it."""
        team, is_new = teams.put_team(
            self.session, organization, teamname, role=body.role, description=body.description, actor=self.caller
        )
        return TeamView(
            name=team.name,
            description=team.description,
            role=team.role,
            avatar=avatar_of_team(team),
            new_team=is_new,
        )

    @operation("deleteOrganizationTeam", allow=fresh(org_admin))
    def delete(self, organization: Organization, teamname: str) -> None:
        """Delete the specified team."""
        teams.remove_team(self.session, organization, teamname, actor=self.caller)


@section.at("/organization/<orgname>/team/<teamname>/members")
class TeamMembers(Resource):
    @operation("getOrganizationTeamMembers", allow=team_view)
    def get(self, team: Team, query: MembersQuery) -> Ready[MembersView]:
        """Retrieve the list of members for the specified team."""
        what = ("members of a team", team.id)
        shown = self.remembered(team.organization, what, partial(self.members, team), _size)
        can_edit = administers(self.session, self.caller, team.organization)
        if query.include_pending and can_edit:
            pending = invitations.list_invitations(self.session, team)
            shown = [*shown, *(written(_pending(each)) for each in pending)]
        seen = written(SeenTeam(name=team.name, can_edit=can_edit))
        return Ready(joined(seen, b'{"members":%s}' % listed(shown)))

    def members(self, team: Team) -> list[bytes]:
        return [written(_member(account)) for account in teams.list_members(self.session, team)]


@section.at("/organization/<orgname>/team/<teamname>/members/<membername>")
class TeamMember(Resource):
    @operation("updateOrganizationTeamMember", allow=fresh(team_admin))
    def put(self, team: Team, membername: str) -> MemberView:
        """Adds or invites a member to an existing team.

        Where FEATURE_MAILING and FEATURE_REQUIRE_TEAM_INVITE are on, a user in no team of the organization is invited.
        """
        account, invited = invitations.add_or_invite(self.session, self.settings, team, membername, actor=self.caller)
        return _member(account, invited=invited)

    @operation("deleteOrganizationTeamMember", allow=fresh(team_admin))
    def delete(self, team: Team, membername: str) -> None:
        """Delete a member of a team.

        If the user is merely invited to join the team, then the invite is removed instead.
        """
        invitations.remove_or_withdraw(self.session, team, membername, actor=self.caller)


@section.at("/organization/<orgname>/team/<teamname>/permissions")
class TeamPermissions(Resource):
    @operation("getOrganizationTeamPermissions", allow=team_admin)
    def get(self, team: Team) -> Ready[TeamPermissionsView]:
        """Returns the list of repository permissions for the org's team."""
        what = ("permissions of a team", team.id)
        return Ready(self.remembered(team.organization, what, partial(self.content, team), len))

    def content(self, team: Team) -> bytes:
        found = teams.list_team_permissions(self.session, team)
        shown = [
            TeamPermissionView(repository=PermittedRepository(name=each.name, is_public=each.is_public), role=each.role)
            for each in found
        ]
        return written(TeamPermissionsView(permissions=shown))


def _size(members: list[bytes]) -> int:
    return sum(map(len, members))


def _member(account: Pictured, *, invited: bool = False) -> MemberView:
    return MemberView(name=account.name, is_robot=account.kind == "robot", avatar=avatar_of(account), invited=invited)


def _pending(invitation: Invitation) -> MemberView | InvitedAddressView:
    if invitation.account is not None:
        return _member(invitation.account, invited=True)
    return invited_address(invitation.email or "")
