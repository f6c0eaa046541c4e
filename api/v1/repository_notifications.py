"""List, create and manage repository events/notifications."""

from api.endpoint import Section, operation
from api.rules import repo_admin
from api.v1.notifications import (
    NewNotificationView,
    NotificationRequest,
    Notifications,
    NotificationsView,
    NotificationView,
    SecretView,
)
from models import notifications
from models.errors import Invalid, NotFound
from models.notification_methods import Subject
from models.tables import Notification, Repository

section = Section("repositorynotification", __doc__)


class _RepositoryNotifications(Notifications):
    def find(self, repository: Repository, uuid: str) -> Notification:
        """The notification; Invalid where Quay answers so for one that does not exist."""
        try:
            return notifications.get_notification(self.session, _of(repository), uuid)
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
        return self.show(notifications.get_notification(self.session, _of(repository), uuid))

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
    def post(self, repository: Repository, uuid: str) -> SecretView:
        """Make a new secret to sign with what is sent to the webhook; the former one is not used any more."""
        return SecretView(webhook_secret=notifications.replace_secret(self.session, self.find(repository, uuid)))


def _of(repository: Repository) -> Subject:
    return Subject(repository.namespace, repository)
