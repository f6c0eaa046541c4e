"""What was sent for the notifications of organizations and users, and sending more to try them."""

from typing import Any

from api.endpoint import Section, operation
from api.rules import org_admin, user_admin
from api.v1.namespace_notifications import NamespaceNotifications
from api.v1.notifications import (
    DeliveriesQuery,
    NotificationDeliveriesView,
    NotificationDeliveryLogView,
    NotificationDeliveryView,
)
from models.tables import Organization, User

section = Section("namespacenotification", __doc__)


@section.at("/organization/<orgname>/notifications/<uuid>/test")
class TestOrganizationNotification(NamespaceNotifications):
    @operation("testOrgNotification", allow=org_admin)
    def post(self, organization: Organization, uuid: str) -> dict[str, Any]:
        """Send an example by the organization's notification."""
        return self.test(self.get_of(organization, uuid))


@section.at("/organization/<orgname>/notifications/<uuid>/deliveries")
class OrganizationNotificationDeliveries(NamespaceNotifications):
    @operation("listOrgNotificationDeliveries", allow=org_admin)
    def get(self, organization: Organization, uuid: str, query: DeliveriesQuery) -> NotificationDeliveriesView:
        """List what was sent for the organization's notification, newest first."""
        return self.deliveries_of(self.get_of(organization, uuid), query)


@section.at("/organization/<orgname>/notifications/<uuid>/deliveries/<delivery_uuid>")
class OrganizationNotificationDelivery(NamespaceNotifications):
    @operation("getOrgNotificationDelivery", allow=org_admin)
    def get(self, organization: Organization, uuid: str, delivery_uuid: str) -> NotificationDeliveryLogView:
        """Get what was sent in each attempt, and what came back."""
        return self.delivery_of(self.get_of(organization, uuid), delivery_uuid)


@section.at("/organization/<orgname>/notifications/<uuid>/deliveries/<delivery_uuid>/replay")
class OrganizationNotificationReplay(NamespaceNotifications):
    @operation("replayOrgNotificationDelivery", allow=org_admin, status=201)
    def post(self, organization: Organization, uuid: str, delivery_uuid: str) -> NotificationDeliveryView:
        """Send the same once more."""
        return self.replay(self.get_of(organization, uuid), delivery_uuid)


@section.at("/user/namespacenotifications/<uuid>/test")
class TestUserNamespaceNotification(NamespaceNotifications):
    @operation("testUserNamespaceNotification", allow=user_admin)
    def post(self, user: User, uuid: str) -> dict[str, Any]:
        """Send an example by the user's notification."""
        return self.test(self.get_of(user, uuid))


@section.at("/user/namespacenotifications/<uuid>/deliveries")
class UserNamespaceNotificationDeliveries(NamespaceNotifications):
    @operation("listUserNamespaceNotificationDeliveries", allow=user_admin)
    def get(self, user: User, uuid: str, query: DeliveriesQuery) -> NotificationDeliveriesView:
        """List what was sent for the user's notification, newest first."""
        return self.deliveries_of(self.get_of(user, uuid), query)


@section.at("/user/namespacenotifications/<uuid>/deliveries/<delivery_uuid>")
class UserNamespaceNotificationDelivery(NamespaceNotifications):
    @operation("getUserNamespaceNotificationDelivery", allow=user_admin)
    def get(self, user: User, uuid: str, delivery_uuid: str) -> NotificationDeliveryLogView:
        """Get what was sent in each attempt, and what came back."""
        return self.delivery_of(self.get_of(user, uuid), delivery_uuid)


@section.at("/user/namespacenotifications/<uuid>/deliveries/<delivery_uuid>/replay")
class UserNamespaceNotificationReplay(NamespaceNotifications):
    @operation("replayUserNamespaceNotificationDelivery", allow=user_admin, status=201)
    def post(self, user: User, uuid: str, delivery_uuid: str) -> NotificationDeliveryView:
        """Send the same once more."""
        return self.replay(self.get_of(user, uuid), delivery_uuid)
