"""Invite people to teams by mail, and answer invitations."""

from typing import Literal

from api.endpoint import Resource, Section, View, operation
from api.rules import fresh, team_admin, user_admin
from api.v1.views import AvatarView, avatar
from models import invitations
from models.tables import Team, User

section = Section("team", __doc__)


class InvitedAddressView(View):
    email: str
    kind: Literal["invite"] = "invite"
    avatar: AvatarView
    invited: Literal[True] = True


class JoinedTeamView(View):
    org: str
    team: str


@section.at("/organization/<orgname>/team/<teamname>/invite/<email>")
class TeamInvitation(Resource):
    @operation("inviteTeamMemberEmail", allow=fresh(team_admin))
    def put(self, team: Team, email: str) -> InvitedAddressView:
        """Invites an email address to an existing team.

        A user who has the address finds the invitation among the notifications; it is sent by mail where
        FEATURE_MAILING is on.
        """
        invitations.invite_address(self.session, self.settings, team, email, actor=self.caller)
        return invited_address(email)

    @operation("deleteTeamMemberEmailInvite", allow=fresh(team_admin))
    def delete(self, team: Team, email: str) -> None:
        """Delete an invite of an email address to join a team."""
        invitations.withdraw_address(self.session, team, email, actor=self.caller)


@section.at("/teaminvite/<code>")
class InvitationAnswer(Resource):
    @operation("acceptOrganizationTeamInvite", allow=user_admin)
    def put(self, user: User, code: str) -> JoinedTeamView:
        """Accepts an invite to join a team in an organization."""
        team = invitations.accept(self.session, user, code, actor=self.caller)
        return JoinedTeamView(org=team.organization.name, team=team.name)

    @operation("declineOrganizationTeamInvite", allow=user_admin)
    def delete(self, user: User, code: str) -> None:
        """Delete an existing invitation to join a team."""
        invitations.decline(self.session, user, code, actor=self.caller)


def invited_address(email: str) -> InvitedAddressView:
    """How an address is shown that was invited and has not answered."""
    return InvitedAddressView(email=email, avatar=avatar(email, email, "user"))
