"""Manage the OAuth applications of organizations."""

from pydantic import Field

from api.endpoint import Body, Query, Resource, Section, View, operation
from api.rules import application_admin, application_shown, fresh, org_admin
from api.v1.organizations import (
    AdministeredOrganizationView,
    MembersOrganizationView,
    administrators_view,
    everybodys_view,
)
from api.v1.paging import next_page, page_start
from api.v1.views import AvatarView, Sparse, avatar_of_application
from models import applications
from models.applications import LONGEST_URI, MOST_LISTED
from models.errors import NotFound
from models.tables import OAuthApplication, Organization

section = Section("organization", __doc__)


class ApplicationsQuery(Query):
    next_page: str | None = Field(None, description="The page token of the page before")


class NewApplication(Body):
    name: str = Field(min_length=1, max_length=255, description="The name that people see when they are asked")
    redirect_uri: str = Field(
        "", max_length=LONGEST_URI, description="Where browsers are sent after consent; matched exactly"
    )
    application_uri: str = Field("", max_length=LONGEST_URI, description="The application's homepage")
    description: str = Field("", max_length=4096, description="What the application is for")
    avatar_email: str | None = Field(None, max_length=255, description="The address that its picture follows from")


class ApplicationUpdate(NewApplication):
    """What is left out of `description` and `avatar_email` becomes empty."""

    redirect_uri: str = Field(
        max_length=LONGEST_URI, description="Where browsers are sent after consent; matched exactly"
    )
    application_uri: str = Field(max_length=LONGEST_URI, description="The application's homepage")


class ApplicationView(View):
    name: str
    description: str
    application_uri: str
    client_id: str
    client_secret: str
    redirect_uri: str
    avatar_email: str | None


class ApplicationsView(View):
    applications: list[ApplicationView]
    next_page: Sparse[str] = None


class ApplicationInformation(View):
    name: str
    description: str
    uri: str
    avatar: AvatarView
    organization: AdministeredOrganizationView | MembersOrganizationView = Field(
        description="The organization that the application belongs to; its teams are not told here"
    )


class _Applications(Resource):
    def show(self, application: OAuthApplication) -> ApplicationView:
        return ApplicationView(
            name=application.name,
            description=application.description,
            application_uri=application.application_uri,
            client_id=application.client_id,
            client_secret=applications.clear_secret(self.session, application),
            redirect_uri=application.redirect_uri,
            avatar_email=application.avatar_email,
        )


@section.at("/organization/<orgname>/applications")
class OrganizationApplications(_Applications):
    @operation("getOrganizationApplications", allow=org_admin)
    def get(self, organization: Organization, query: ApplicationsQuery) -> ApplicationsView:
        """List the applications for the specified organization."""
        bound = f"applications {organization.id}"
        after = page_start(self.settings, query.next_page, bound)
        found = applications.list_applications(self.session, organization, after=after, limit=MOST_LISTED + 1)
        page = found[:MOST_LISTED]
        more = next_page(self.settings, page[-1].id, bound) if len(found) > MOST_LISTED else None
        return ApplicationsView(applications=[self.show(each) for each in page], next_page=more)

    @operation("createOrganizationApplication", allow=fresh(org_admin))
    def post(self, organization: Organization, body: NewApplication) -> ApplicationView:
        """Creates a new application under this organization."""
        application = applications.create_application(
            self.session, organization, **body.model_dump(), actor=self.caller
        )
        return self.show(application)


@section.at("/organization/<orgname>/applications/<client_id>")
class OrganizationApplication(_Applications):
    @operation("getOrganizationApplication", allow=application_admin)
    def get(self, application: OAuthApplication) -> ApplicationView:
        """Retrieves the application with the specified client_id under the specified organization."""
        return self.show(application)

    @operation("updateOrganizationApplication", allow=fresh(application_admin))
    def put(self, application: OAuthApplication, body: ApplicationUpdate) -> ApplicationView:
        """Updates an application under this organization."""
        applications.change_application(self.session, application, **body.model_dump(), actor=self.caller)
        return self.show(application)

    @operation("deleteOrganizationApplication", allow=fresh(application_admin))
    def delete(self, application: OAuthApplication) -> None:
        """Deletes the application under this organization, and every token it was given."""
        applications.remove_application(self.session, application, actor=self.caller)


@section.at("/organization/<orgname>/applications/<client_id>/resetclientsecret")
class ResetApplicationSecret(_Applications):
    @operation("resetOrganizationApplicationClientSecret", allow=fresh(application_admin))
    def post(self, application: OAuthApplication) -> ApplicationView:
        """Resets the client secret of the application."""
        applications.reset_secret(self.session, application, actor=self.caller)
        return self.show(application)


@section.at("/app/<client_id>")
class Application(Resource):
    @operation("getApplicationInformation", allow=application_shown)
    def get(self, application: OAuthApplication) -> ApplicationInformation:
        """Get information on the specified application."""
        return ApplicationInformation(
            name=application.name,
            description=application.description,
            uri=application.application_uri,
            avatar=avatar_of_application(application),
            organization=self.show_owner(application),
        )

    def show_owner(self, application: OAuthApplication) -> AdministeredOrganizationView | MembersOrganizationView:
        organization = application.organization
        if organization is None:
            raise NotFound("Not Found")  # the installation's own, which tokens from the command line belong to
        everybody = everybodys_view(self.session, self.caller, organization)
        shown = MembersOrganizationView(**dict(everybody), teams={}, ordered_teams=[])
        return administrators_view(organization, shown) if shown.is_admin else shown
