"""List, create and manage notifications of an organization's or user's quota."""

from api.endpoint import Section, operation
from api.rules import org_admin, user_admin
from api.v1.notifications import (
    NewNotificationView,
    NotificationRequest,
    Notifications,
    NotificationsView,
    NotificationView,
    WebhookSecretView,
)
from models import notifications
from models.notification_methods import Subject
from models.tables import Account, Notification, Organization, User

section = Section("namespacenotification", __doc__)


class NamespaceNotifications(Notifications):
    """What the operations for organizations and for users share; `namespace` is either."""

    def get_of(self, namespace: Account, uuid: str) -> Notification:
        return notifications.get_notification(self.session, Subject(namespace), uuid)

    def remove_from(self, namespace: Account, uuid: str) -> None:
        found = self.get_of(namespace, uuid)
        notifications.remove_notification(self.session, Subject(namespace), found, actor=self.caller)

    def reset_in(self, namespace: Account, uuid: str) -> None:
        found = self.get_of(namespace, uuid)
        notifications.reset_failures(self.session, Subject(namespace), found, actor=self.caller)

    def replace_secret_in(self, namespace: Account, uuid: str) -> WebhookSecretView:
        found = self.get_of(namespace, uuid)
        secret = notifications.replace_secret(self.session, Subject(namespace), found, actor=self.caller)
        return WebhookSecretView(webhook_secret=secret)


@section.at("/organization/<orgname>/notifications")
class OrganizationNotifications(NamespaceNotifications):
    @operation("listOrgNotifications", allow=org_admin)
    def get(self, organization: Organization) -> NotificationsView:
        """List the organization's own notifications."""
        return self.list_of(Subject(organization))

    @operation("createOrgNotification", allow=org_admin, status=201)
    def post(self, organization: Organization, body: NotificationRequest) -> NewNotificationView:
        """Create a notification of the organization's quota."""
        return self.create_for(Subject(organization), body)


@section.at("/organization/<orgname>/notifications/<uuid>")
class OrganizationNotification(NamespaceNotifications):
    @operation("getOrgNotification", allow=org_admin)
    def get(self, organization: Organization, uuid: str) -> NotificationView:
        """Get the organization's notification."""
        return self.show(self.get_of(organization, uuid))

    @operation("deleteOrgNotification", allow=org_admin)
    def delete(self, organization: Organization, uuid: str) -> None:
        """Delete the organization's notification."""
        self.remove_from(organization, uuid)

    @operation("resetOrgNotificationFailures", allow=org_admin)
    def post(self, organization: Organization, uuid: str) -> None:
        """Reset the organization's notification to 0 failures."""
        self.reset_in(organization, uuid)


@section.at("/organization/<orgname>/notifications/<uuid>/secret")
class OrganizationNotificationSecret(NamespaceNotifications):
    @operation("replaceOrgNotificationSecret", allow=org_admin)
    def post(self, organization: Organization, uuid: str) -> WebhookSecretView:
        """Make a new secret to sign with what is sent to the webhook; the former one is not used any more."""
        return self.replace_secret_in(organization, uuid)


@section.at("/user/namespacenotifications")
class UserNamespaceNotifications(NamespaceNotifications):
    @operation("listUserNamespaceNotifications", allow=user_admin)
    def get(self, user: User) -> NotificationsView:
        """List the notifications of the user's own namespace."""
        return self.list_of(Subject(user))

    @operation("createUserNamespaceNotification", allow=user_admin, status=201)
    def post(self, user: User, body: NotificationRequest) -> NewNotificationView:
        """Create a notification of the user's quota."""
        return self.create_for(Subject(user), body)


@section.at("/user/namespacenotifications/<uuid>")
class UserNamespaceNotification(NamespaceNotifications):
    @operation("getUserNamespaceNotification", allow=user_admin)
    def get(self, user: User, uuid: str) -> NotificationView:
        """Get the notification of the user's own namespace."""
        return self.show(self.get_of(user, uuid))

    @operation("deleteUserNamespaceNotification", allow=user_admin)
    def delete(self, user: User, uuid: str) -> None:
        """Delete the notification of the user's own namespace."""
        self.remove_from(user, uuid)

    @operation("resetUserNamespaceNotificationFailures", allow=user_admin)
    def post(self, user: User, uuid: str) -> None:
        """Reset the notification of the user's own namespace to 0 failures."""
        self.reset_in(user, uuid)


@section.at("/user/namespacenotifications/<uuid>/secret")
class UserNamespaceNotificationSecret(NamespaceNotifications):
    @operation("replaceUserNamespaceNotificationSecret", allow=user_admin)
    def post(self, user: User, uuid: str) -> WebhookSecretView:
        """Make a new secret to sign with what is sent to the webhook; the former one is not used any more."""
        return self.replace_secret_in(user, uuid)
