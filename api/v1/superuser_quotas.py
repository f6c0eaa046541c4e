"""Set how much any user or organization may use, as an administrator of the installation."""

from typing import Literal

from api.endpoint import Section, operation
from api.rules import fresh, superuser_over_namespace
from api.v1.quota_views import QuotaView
from api.v1.quotas import NEEDS, NewQuota, QuotaResource, QuotaSize
from models.tables import Account

section = Section("superuser", None, needs=NEEDS)


@section.at("/superuser/users/<namespace>/quota")
class AnyUserQuotas(QuotaResource):
    @operation("listUserQuotaSuperUser", allow=fresh(superuser_over_namespace))
    def get(self, account: Account) -> list[QuotaView]:
        """List the quota of a user."""
        return self.list_of(account)

    @operation("createUserQuotaSuperUser", allow=fresh(superuser_over_namespace), status=201)
    def post(self, account: Account, body: NewQuota) -> Literal["Created"]:
        """Create the quota of a user."""
        return self.create(account, body)


@section.at("/superuser/users/<namespace>/quota/<quota_id>")
class AnyUserQuota(QuotaResource):
    @operation("changeUserQuotaSuperUser", allow=fresh(superuser_over_namespace))
    def put(self, account: Account, quota_id: str, body: QuotaSize) -> QuotaView:
        """Change the size of a user's quota."""
        return self.change(account, quota_id, body)

    @operation("deleteUserQuotaSuperUser", allow=fresh(superuser_over_namespace))
    def delete(self, account: Account, quota_id: str) -> None:
        """Delete a user's quota, with its limits."""
        self.remove(account, quota_id)


@section.at("/superuser/organization/<namespace>/quota")
class AnyOrganizationQuotas(QuotaResource):
    @operation("listOrganizationQuotaSuperUser", allow=fresh(superuser_over_namespace))
    def get(self, account: Account) -> list[QuotaView]:
        """List the quota of an organization."""
        return self.list_of(account)

    @operation("createOrganizationQuotaSuperUser", allow=fresh(superuser_over_namespace), status=201)
    def post(self, account: Account, body: NewQuota) -> Literal["Created"]:
        """Create the quota of an organization."""
        return self.create(account, body)


@section.at("/superuser/organization/<namespace>/quota/<quota_id>")
class AnyOrganizationQuota(QuotaResource):
    @operation("changeOrganizationQuotaSuperUser", allow=fresh(superuser_over_namespace))
    def put(self, account: Account, quota_id: str, body: QuotaSize) -> QuotaView:
        """Change the size of an organization's quota."""
        return self.change(account, quota_id, body)

    @operation("deleteOrganizationQuotaSuperUser", allow=fresh(superuser_over_namespace))
    def delete(self, account: Account, quota_id: str) -> None:
        """Delete an organization's quota, with its limits."""
        self.remove(account, quota_id)
