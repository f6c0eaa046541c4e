"""Show and set how much organizations and users may use."""

from typing import Literal, Self

from pydantic import Field, model_validator

from api.endpoint import Body, Resource, Section, operation
from api.rules import org_quota, org_quota_admin, user_admin
from api.v1.quota_views import QuotaLimitView, QuotaView, default_views, limit_view, quota_views
from models import quota_limits
from models.errors import NotFound
from models.quota_limits import allowances
from models.tables import Account, Organization, Quota, QuotaLimit, User

NEEDS = ["FEATURE_QUOTA_MANAGEMENT", "FEATURE_EDIT_QUOTA"]
section = Section("namespacequota", __doc__, needs=NEEDS)


class QuotaSize(Body):
    """A size, in one of two ways."""

    limit_bytes: int | None = Field(None, description="Number of bytes that the namespace may use")
    limit: str | None = Field(None, max_length=64, description="The same with a unit, such as `10 GiB`")

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if self.limit_bytes is not None and self.limit is not None:
            raise ValueError("limit_bytes and limit say the same; give one of them")
        return self

    @property
    def bytes(self) -> int | None:
        """The size; None if there is none. Invalid."""
        return self.limit_bytes if self.limit is None else quota_limits.parse_size(self.limit)


class NewQuota(QuotaSize):
    @model_validator(mode="after")
    def _check_any(self) -> Self:
        if self.limit_bytes is None and self.limit is None:
            raise ValueError("limit_bytes or limit is required")
        return self


class NewQuotaLimit(Body):
    type: str = Field(description="Warning or Reject")
    threshold_percent: int = Field(description="The share of the quota above which it applies, 1 to 100")


class QuotaLimitChange(Body):
    """What is not given stays as it is."""

    type: str | None = Field(None, description="Warning or Reject")
    threshold_percent: int | None = Field(None, description="The share of the quota above which it applies, 1 to 100")


class QuotaResource(Resource):
    """What the operations for organizations, users and superusers share."""

    def list_of(self, namespace: Account) -> list[QuotaView]:
        return quota_views(self.settings, allowances(self.session, [namespace.id])[namespace.id])

    def quota(self, namespace: Account, quota_id: str) -> Quota:
        """The namespace's quota; NotFound, also where it has not this id."""
        return quota_limits.get_quota(self.session, namespace, checked_id(quota_id))

    def show(self, namespace: Account, quota_id: str) -> QuotaView:
        self.quota(namespace, quota_id)
        return self.list_of(namespace)[0]

    def create(self, namespace: Account, body: NewQuota) -> Literal["Created"]:
        quota_limits.create_quota(self.session, namespace, body.bytes or 0, actor=self.caller)
        return "Created"

    def change(self, namespace: Account, quota_id: str, body: QuotaSize) -> QuotaView:
        quota, size = self.quota(namespace, quota_id), body.bytes
        if size is not None:
            quota_limits.change_quota(self.session, namespace, quota, size, actor=self.caller)
        return self.list_of(namespace)[0]

    def remove(self, namespace: Account, quota_id: str) -> None:
        quota_limits.remove_quota(self.session, namespace, self.quota(namespace, quota_id), actor=self.caller)

    def limits_of(self, namespace: Account, quota_id: str) -> list[QuotaLimitView]:
        quota = self.quota(namespace, quota_id)
        return [limit_view(limit) for limit in quota_limits.list_limits(self.session, quota)]

    def limit(self, namespace: Account, quota_id: str, limit_id: str) -> QuotaLimit:
        return quota_limits.get_limit(self.session, self.quota(namespace, quota_id), checked_id(limit_id))


@section.at("/organization/<orgname>/quota")
class OrganizationQuotas(QuotaResource):
    @operation("listOrganizationQuota", allow=org_quota)
    def get(self, organization: Organization) -> list[QuotaView]:
        """List the organization's quota, or what it has in its place."""
        return self.list_of(organization) or default_views(self.settings)

    @operation("createOrganizationQuota", allow=org_quota_admin, status=201)
    def post(self, organization: Organization, body: NewQuota) -> Literal["Created"]:
        """Create a new organization quota."""
        return self.create(organization, body)


@section.at("/organization/<orgname>/quota/<quota_id>")
class OrganizationQuota(QuotaResource):
    @operation("getOrganizationQuota", allow=org_quota)
    def get(self, organization: Organization, quota_id: str) -> QuotaView:
        """Show the organization's quota."""
        return self.show(organization, quota_id)

    @operation("changeOrganizationQuota", allow=org_quota_admin)
    def put(self, organization: Organization, quota_id: str, body: QuotaSize) -> QuotaView:
        """Change the size of the organization's quota."""
        return self.change(organization, quota_id, body)

    @operation("deleteOrganizationQuota", allow=org_quota_admin)
    def delete(self, organization: Organization, quota_id: str) -> None:
        """Delete the organization's quota, with its limits."""
        self.remove(organization, quota_id)


@section.at("/organization/<orgname>/quota/<quota_id>/limit")
class OrganizationQuotaLimits(QuotaResource):
    @operation("listOrganizationQuotaLimit", allow=org_quota)
    def get(self, organization: Organization, quota_id: str) -> list[QuotaLimitView]:
        """List the limits of the organization's quota, the lowest first."""
        return self.limits_of(organization, quota_id)

    @operation("createOrganizationQuotaLimit", allow=org_quota_admin, status=201)
    def post(self, organization: Organization, quota_id: str, body: NewQuotaLimit) -> Literal["Created"]:
        """Warn of pushes, or reject them, above a share of the organization's quota."""
        quota_limits.create_limit(
            self.session,
            organization,
            self.quota(organization, quota_id),
            body.type,
            body.threshold_percent,
            actor=self.caller,
        )
        return "Created"


@section.at("/organization/<orgname>/quota/<quota_id>/limit/<limit_id>")
class OrganizationQuotaLimit(QuotaResource):
    @operation("getOrganizationQuotaLimit", allow=org_quota)
    def get(self, organization: Organization, quota_id: str, limit_id: str) -> QuotaLimitView:
        """Show a limit of the organization's quota."""
        return limit_view(self.limit(organization, quota_id, limit_id))

    @operation("changeOrganizationQuotaLimit", allow=org_quota_admin)
    def put(self, organization: Organization, quota_id: str, limit_id: str, body: QuotaLimitChange) -> QuotaView:
        """Change a limit of the organization's quota."""
        quota_limits.change_limit(
            self.session,
            organization,
            self.limit(organization, quota_id, limit_id),
            kind=body.type,
            threshold_percent=body.threshold_percent,
            actor=self.caller,
        )
        return self.list_of(organization)[0]

    @operation("deleteOrganizationQuotaLimit", allow=org_quota_admin)
    def delete(self, organization: Organization, quota_id: str, limit_id: str) -> None:
        """Delete a limit of the organization's quota."""
        limit = self.limit(organization, quota_id, limit_id)
        quota_limits.remove_limit(self.session, organization, limit, actor=self.caller)


@section.at("/user/quota")
class UserQuotas(QuotaResource):
    @operation("listUserQuota", allow=user_admin)
    def get(self, user: User) -> list[QuotaView]:
        """List the quota of the user who calls."""
        return self.list_of(user)


@section.at("/user/quota/<quota_id>")
class UserQuota(QuotaResource):
    @operation("getUserQuota", allow=user_admin)
    def get(self, user: User, quota_id: str) -> QuotaView:
        """Show the quota of the user who calls."""
        return self.show(user, quota_id)


@section.at("/user/quota/<quota_id>/limit")
class UserQuotaLimits(QuotaResource):
    @operation("listUserQuotaLimit", allow=user_admin)
    def get(self, user: User, quota_id: str) -> list[QuotaLimitView]:
        """List the limits of the quota of the user who calls, the lowest first."""
        return self.limits_of(user, quota_id)


@section.at("/user/quota/<quota_id>/limit/<limit_id>")
class UserQuotaLimit(QuotaResource):
    @operation("getUserQuotaLimit", allow=user_admin)
    def get(self, user: User, quota_id: str, limit_id: str) -> QuotaLimitView:
        """Show a limit of the quota of the user who calls."""
        return limit_view(self.limit(user, quota_id, limit_id))


def checked_id(text: str) -> int:
    """The number; NotFound if it is none that a row can have."""
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise NotFound("Not Found")
    return int(text)
