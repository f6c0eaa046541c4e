"""List, create and manage repository events/notifications."""

from typing import Any

from api.endpoint import Section, operation
from api.rules import repo_admin
from api.v1.notifications import (
    DeliveriesQuery,
    NewNotificationView,
    NotificationDeliveriesView,
    NotificationDeliveryLogView,
    NotificationDeliveryView,
    NotificationRequest,
    Notifications,
    NotificationsView,
    NotificationView,
    WebhookSecretView,
)
from models import notifications
from models.errors import Invalid, NotFound
from models.notification_methods import Subject
from models.tables import Notification, Repository

section = Section("repositorynotification", __doc__)


class _RepositoryNotifications(Notifications):
    def get_of(self, repository: Repository, uuid: str) -> Notification:
        return notifications.get_notification(self.session, _of(repository), uuid)

    def find(self, repository: Repository, uuid: str) -> Notification:
        """The notification; Invalid where Quay answers so for one that does not exist."""
        try:
            return self.get_of(repository, uuid)
        except NotFound as exc:
            where = f"{repository.namespace.name}, {repository.name}, {uuid}"
            raise Invalid(f"No repository notification found for: {where}") from exc


@section.at("/repository/<repopath:repository>/notification/")
class RepositoryNotificationList(_RepositoryNotifications):
    @operation("listRepoNotifications", allow=repo_admin)
    def get(self, repository: Repository) -> NotificationsView:
        """List the notifications for the specified repository."""
        return self.list_of(_of(repository))

    @operation("createRepoNotification", allow=repo_admin, status=201)
    def post(self, repository: Repository, body: NotificationRequest) -> NewNotificationView:
        """Create a notification for the specified repository."""
        return self.create_for(_of(repository), body)


@section.at("/repository/<repopath:repository>/notification/<uuid>")
class RepositoryNotification(_RepositoryNotifications):
    @operation("getRepoNotification", allow=repo_admin)
    def get(self, repository: Repository, uuid: str) -> NotificationView:
        """Get information for the specified notification."""
        return self.show(self.get_of(repository, uuid))

    @operation("deleteRepoNotification", allow=repo_admin)
    def delete(self, repository: Repository, uuid: str) -> None:
        """Deletes the specified notification."""
        found = self.find(repository, uuid)
        notifications.remove_notification(self.session, _of(repository), found, actor=self.caller)

    @operation("resetRepositoryNotificationFailures", allow=repo_admin, status=204)
    def post(self, repository: Repository, uuid: str) -> None:
        """Resets repository notification to 0 failures."""
        found = self.find(repository, uuid)
        notifications.reset_failures(self.session, _of(repository), found, actor=self.caller)


@section.at("/repository/<repopath:repository>/notification/<uuid>/secret")
class RepositoryNotificationSecret(_RepositoryNotifications):
    @operation("replaceRepoNotificationSecret", allow=repo_admin)
    def post(self, repository: Repository, uuid: str) -> WebhookSecretView:
        """Make a new secret to sign with what is sent to the webhook; the former one is not used any more."""
        found = self.find(repository, uuid)
        secret = notifications.replace_secret(self.session, _of(repository), found, actor=self.caller)
        return WebhookSecretView(webhook_secret=secret)


@section.at("/repository/<repopath:repository>/notification/<uuid>/test")
class TestRepositoryNotification(_RepositoryNotifications):
    @operation("testRepoNotification", allow=repo_admin)
    def post(self, repository: Repository, uuid: str) -> dict[str, Any]:
        """Queues a test notification for this repository."""
        return self.test(self.find(repository, uuid))


@section.at("/repository/<repopath:repository>/notification/<uuid>/deliveries")
class RepositoryNotificationDeliveries(_RepositoryNotifications):
    @operation("listRepoNotificationDeliveries", allow=repo_admin)
    def get(self, repository: Repository, uuid: str, query: DeliveriesQuery) -> NotificationDeliveriesView:
        """List what was sent for the notification, newest first."""
        return self.deliveries_of(self.get_of(repository, uuid), query)


@section.at("/repository/<repopath:repository>/notification/<uuid>/deliveries/<delivery_uuid>")
class RepositoryNotificationDelivery(_RepositoryNotifications):
    @operation("getRepoNotificationDelivery", allow=repo_admin)
    def get(self, repository: Repository, uuid: str, delivery_uuid: str) -> NotificationDeliveryLogView:
        """Get what was sent in each attempt, and what came back."""
        return self.delivery_of(self.get_of(repository, uuid), delivery_uuid)


@section.at("/repository/<repopath:repository>/notification/<uuid>/deliveries/<delivery_uuid>/replay")
class RepositoryNotificationReplay(_RepositoryNotifications):
    @operation("replayRepoNotificationDelivery", allow=repo_admin, status=201)
    def post(self, repository: Repository, uuid: str, delivery_uuid: str) -> NotificationDeliveryView:
        """Send the same once more."""
        return self.replay(self.get_of(repository, uuid), delivery_uuid)


def _of(repository: Repository) -> Subject:
    return Subject(repository.namespace, repository)
