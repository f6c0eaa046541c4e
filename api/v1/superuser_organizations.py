"""Administer the organizations of the installation."""

from pydantic import Field

from api.endpoint import Body, Query, Resource, Section, View, operation
from api.rules import fresh, superuser, superuser_over_organization
from api.v1.paging import next_page, page_start
from api.v1.quota_views import WithQuota, namespace_quotas
from api.v1.superusers import MOST, PAGE
from api.v1.views import AvatarView, Sparse, avatar_of
from models import organizations
from models.tables import Organization

section = Section("superuser", __doc__)


class OrganizationsQuery(Query):
    limit: int = Field(PAGE, ge=1, description=f"The most organizations in one answer, {MOST} at most")
    next_page: str | None = Field(None, description="The page token of the page before")


class OrganizationChange(Body):
    name: str | None = Field(None, description="The new name for the organization")


class InstallOrganization(WithQuota):
    name: str
    email: str
    avatar: AvatarView


class InstallOrganizations(View):
    organizations: list[InstallOrganization]
    next_page: Sparse[str] = None


class _Organizations(Resource):
    def show(self, *organizations: Organization) -> list[InstallOrganization]:
        quotas = namespace_quotas(self.session, self.settings, organizations)
        return [
            InstallOrganization(
                name=organization.name,
                email=organization.email or "",
                avatar=avatar_of(organization),
                **dict(quotas[organization.id]),
            )
            for organization in organizations
        ]


@section.at("/superuser/organizations/")
class InstallationOrganizations(_Organizations):
    @operation("listAllOrganizations", allow=fresh(superuser))
    def get(self, query: OrganizationsQuery) -> InstallOrganizations:
        """Returns a list of all organizations in the system."""
        bound, limit = "organizations", min(query.limit, MOST)
        after = page_start(self.settings, query.next_page, bound)
        found = organizations.list_organizations(self.session, after=after, limit=limit + 1)
        page = found[:limit]
        more = next_page(self.settings, page[-1].id, bound) if len(found) > limit else None
        return InstallOrganizations(organizations=self.show(*page), next_page=more)


@section.at("/superuser/organizations/<name>")
class InstallationOrganization(_Organizations):
    @operation("changeOrganization", allow=fresh(superuser_over_organization))
    def put(self, organization: Organization, body: OrganizationChange) -> InstallOrganization:
        """Updates information about the specified organization."""
        if body.name is not None:
            organizations.rename_organization(self.session, organization, body.name, actor=self.caller)
        return self.show(organization)[0]

    @operation("deleteOrganization", allow=fresh(superuser_over_organization))
    def delete(self, organization: Organization) -> None:
        """Deletes the specified organization, with its repositories and robots."""
        organizations.remove_organization(self.session, organization, actor=self.caller)
