"""Create, show, change and delete organizations."""

from typing import Annotated

from pydantic import Field

from api.endpoint import NULL, Body, Resource, Section, View, operation
from api.rules import fresh, org_admin, organization_shown, user_admin
from api.v1.quota_views import WithQuota, namespace_quotas
from api.v1.views import AvatarView, avatar, avatar_of
from models import organizations, teams
from models.access import Identity, namespace_role
from models.errors import Invalid
from models.session import Session
from models.tables import Organization, User
from models.teams import ListedTeam

section = Section("organization", __doc__)

Address = Annotated[str, Field(max_length=255)]


class NewOrganization(Body):
    name: str = Field(description="The name, in the space of names that users share")
    email: Address | None = Field(None, description="An address for questions about the organization")
    contact_email: Address | None = Field(None, description="The same, if `email` is not given")
    recaptcha_response: str | None = Field(None, description="Accepted for clients that send it; not used")


class OrganizationUpdate(Body):
    """What is not given stays as it is."""

    name: str | None = Field(None, description="Accepted if it is the name that the organization has")
    email: Address | None = Field(None, description="An address for questions about the organization")
    invoice_email: bool | None = Field(None, description="Whether invoices are sent by e-mail")
    invoice_email_address: Annotated[Address | None, NULL] = Field(
        None, description="Where invoices are sent; null: to `email`"
    )
    tag_expiration_s: int | None = Field(
        None, ge=0, description="For how many seconds a deleted tag can be restored; one of TAG_EXPIRATION_OPTIONS"
    )


class OrganizationTeam(View):
    name: str
    description: str
    role: str
    avatar: AvatarView
    can_view: bool
    repo_count: int
    member_count: int
    is_synced: bool = False


class OrganizationView(View):
    """An organization as everybody sees it; `email` is for its administrators."""

    name: str
    email: str
    avatar: AvatarView
    is_admin: bool
    is_member: bool


class MembersOrganizationView(OrganizationView, WithQuota):
    """An organization as its members see it."""

    teams: dict[str, OrganizationTeam]
    ordered_teams: list[str]


class AdministeredOrganizationView(MembersOrganizationView):
    """An organization as its administrators see it."""

    invoice_email: bool
    invoice_email_address: str | None
    tag_expiration_s: int
    is_free_account: bool = True


AnyOrganizationView = AdministeredOrganizationView | MembersOrganizationView | OrganizationView


@section.at("/organization/")
class Organizations(Resource):
    @operation("createOrganization", allow=fresh(user_admin), status=201)
    def post(self, user: User, body: NewOrganization) -> str:
        """Create a new organization."""
        email = body.email or body.contact_email
        organizations.create_organization(
            self.session,
            body.name,
            owner=user,
            email=email,
            tag_expiration_s=self.settings.default_tag_expiration_s,
            actor=self.caller,
        )
        return "Created"


@section.at("/organization/<orgname>")
class SingleOrganization(Resource):
    @operation("getOrganization", allow=organization_shown, hot=True)
    def get(self, organization: Organization) -> AnyOrganizationView:
        """Get the details for the specified organization."""
        return self.show(organization)

    @operation("changeOrganizationDetails", allow=fresh(org_admin))
    def put(self, organization: Organization, body: OrganizationUpdate) -> AnyOrganizationView:
        """Change the details for the specified organization."""
        if body.name is not None and body.name != organization.name:
            raise Invalid("name: an organization cannot be renamed")
        organizations.change_organization(
            self.session,
            organization,
            email=body.email,
            invoice_email=body.invoice_email,
            invoice_email_address=(
                body.invoice_email_address or "" if "invoice_email_address" in body.model_fields_set else None
            ),
            tag_expiration_s=self.checked(body.tag_expiration_s),
            actor=self.caller,
        )
        return self.show(organization)

    @operation("deleteAdminedOrganization", allow=fresh(org_admin))
    def delete(self, organization: Organization) -> None:
        """Delete the specified organization, with its repositories, robots and teams."""
        organizations.remove_organization(self.session, organization, actor=self.caller)

    def checked(self, tag_expiration_s: int | None) -> int | None:
        if tag_expiration_s is None or not self.settings.FEATURE_CHANGE_TAG_EXPIRATION:
            return None
        return organizations.check_tag_expiration(self.settings, tag_expiration_s)

    def show(self, organization: Organization) -> AnyOrganizationView:
        everybody = everybodys_view(self.session, self.caller, organization)
        if not everybody.is_member:
            return everybody
        shown = _teams(self.session, organization, self.caller.account_id, is_admin=everybody.is_admin)
        quota = namespace_quotas(self.session, self.settings, [organization])[organization.id]
        members = MembersOrganizationView(**dict(everybody), **dict(quota), teams=shown, ordered_teams=list(shown))
        return administrators_view(organization, members) if everybody.is_admin else members


def everybodys_view(session: Session, caller: Identity, organization: Organization) -> OrganizationView:
    """What the caller may know of any organization."""
    # What a token without that scope may not use, it is not told of either.
    role = namespace_role(session, caller, organization) if caller.may_use("org:admin") else None
    is_admin = role == "admin"
    return OrganizationView(
        name=organization.name,
        email=(organization.email or "") if is_admin else "",
        avatar=avatar_of(organization, "user"),
        is_admin=is_admin,
        is_member=role is not None,
    )


def administrators_view(organization: Organization, members: MembersOrganizationView) -> AdministeredOrganizationView:
    """What only administrators know, too."""
    return AdministeredOrganizationView(
        **dict(members),
        invoice_email=organization.invoice_email,
        invoice_email_address=organization.invoice_email_address,
        tag_expiration_s=organization.tag_expiration_s,
    )


def _teams(
    session: Session, organization: Organization, account_id: int | None, *, is_admin: bool
) -> dict[str, OrganizationTeam]:
    def show(team: ListedTeam) -> OrganizationTeam:
        return OrganizationTeam(
            name=team.name,
            description=team.description,
            role=team.role,
            avatar=avatar(team.name, team.name, "team"),
            can_view=is_admin or team.has_account,
            repo_count=team.repositories,
            member_count=team.members,
        )

    return {team.name: show(team) for team in teams.list_teams(session, organization, account_id)}
