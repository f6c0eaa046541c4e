"""What the notifications of repositories, organizations and users have in common: how they are asked for and shown."""

from typing import Any

from pydantic import Field

from api.endpoint import Body, Resource, View
from api.v1.views import Sparse
from models import notifications
from models.addresses import Allowed
from models.notification_methods import Subject
from models.notifications import Wish
from models.tables import Notification


class NotificationRequest(Body):
    """Whom to tell of what."""

    event: str = Field(max_length=40, description="The event, such as repo_push")
    method: str = Field(max_length=40, description="The method: webhook, slack, email or quay_notification")
    config: dict[str, Any] = Field(
        description="What the method needs: `url` (and `template`) of a webhook, `url` of Slack, `email`, or the "
        "`target` (`kind` and `name` of a user, org or team) inside of the product"
    )
    eventConfig: dict[str, Any] = Field(  # noqa: N815 - Quay's name
        description="What limits the event: `ref-regex` of builds, `level` of vulnerabilities, `days` before an expiry"
    )
    title: str | None = Field(None, max_length=255, description="The human-readable title of the notification")


class NotificationView(View):
    uuid: str
    title: str | None
    event: str
    method: str
    config: dict[str, Any]
    event_config: dict[str, Any]
    number_of_failures: int


class NewNotificationView(NotificationView):
    """`webhook_secret` signs what is sent to a webhook, as Standard Webhooks has it; it is shown this once."""

    webhook_secret: Sparse[str] = None


class NotificationsView(View):
    notifications: list[NotificationView]


class SecretView(View):
    """It is shown this once."""

    webhook_secret: str


class Notifications(Resource):
    """What the operations share, whatever the notifications are of."""

    def create_for(self, subject: Subject, body: NotificationRequest) -> NewNotificationView:
        notification, secret = notifications.create_notification(
            self.session,
            subject,
            Wish(body.event, body.method, body.config, body.eventConfig, body.title),
            allowed=Allowed(self.settings.OUTBOUND_ALLOWED_PRIVATE_HOSTS),
            actor=self.caller,
        )
        return NewNotificationView(**self.facts(notification), webhook_secret=secret)

    def list_of(self, subject: Subject) -> NotificationsView:
        found = notifications.list_notifications(self.session, subject)
        return NotificationsView(notifications=[self.show(notification) for notification in found])

    def show(self, notification: Notification) -> NotificationView:
        return NotificationView(**self.facts(notification))

    def facts(self, notification: Notification) -> dict[str, Any]:
        return {
            "uuid": notification.uuid,
            "title": notification.title,
            "event": notification.event,
            "method": notification.method,
            "config": notifications.config_of(self.session, notification),
            "event_config": notification.event_config,
            "number_of_failures": notification.number_of_failures,
        }
