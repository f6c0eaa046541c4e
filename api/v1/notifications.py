"""What the notifications of repositories, organizations and users have in common: how they are asked for and shown."""

from typing import Any

from pydantic import Field

from api.endpoint import Body, Query, Resource, View
from api.v1.paging import next_page, page_start
from api.v1.views import Moment, Sparse
from models import announcements, delivery_log, notifications
from models.addresses import Allowed
from models.delivery_log import Entry
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


class WebhookSecretView(View):
    """It is shown this once."""

    webhook_secret: str


class DeliveriesQuery(Query):
    limit: int = Field(50, ge=1, le=100, description="The most deliveries to return")
    next_page: str | None = Field(None, max_length=2048, description="The page token of the page before")


class NotificationDeliveryView(View):
    """`status` and `error`: of the last attempt. `message_id`: how the receiver knows it, also when it is replayed."""

    uuid: str
    event: str | None
    state: str
    message_id: str | None
    created: Moment
    finished: Moment | None
    attempts: int
    status: int | None
    error: str | None


class NotificationAttemptView(View):
    """`answer` is the beginning of what came back; `request` leaves out what would open something."""

    number: int
    at: Moment
    duration_ms: int
    request: dict[str, Any] | None
    status: int | None
    answer: str | None
    error: str | None


class NotificationDeliveryLogView(NotificationDeliveryView):
    """`payload` is what was told, before any template."""

    payload: dict[str, Any]
    log: list[NotificationAttemptView]


class NotificationDeliveriesView(View):
    deliveries: list[NotificationDeliveryView]
    next_page: Sparse[str] = None


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

    def test(self, notification: Notification) -> dict[str, Any]:
        announcements.test_notification(self.session, notification, actor=self.caller)
        return {}

    def deliveries_of(self, notification: Notification, query: DeliveriesQuery) -> NotificationDeliveriesView:
        after = page_start(self.settings, query.next_page, notification.uuid)
        found = delivery_log.list_deliveries(self.session, notification, after=after, limit=query.limit + 1)
        shown = found[: query.limit]
        more = len(found) > query.limit
        last = next_page(self.settings, shown[-1].delivery.id, notification.uuid) if more else None
        return NotificationDeliveriesView(
            deliveries=[NotificationDeliveryView(**_delivery(each)) for each in shown], next_page=last
        )

    def delivery_of(self, notification: Notification, uuid: str) -> NotificationDeliveryLogView:
        delivery = delivery_log.get_delivery(self.session, notification, uuid)
        attempts = delivery_log.list_attempts(self.session, delivery)
        entry = Entry(delivery, attempts[-1] if attempts else None)
        log = [NotificationAttemptView.model_validate(attempt) for attempt in attempts]
        return NotificationDeliveryLogView(
            **_delivery(entry), payload=(delivery.payload or {}).get("data", {}), log=log
        )

    def replay(self, notification: Notification, uuid: str) -> NotificationDeliveryView:
        delivery = delivery_log.get_delivery(self.session, notification, uuid)
        again = delivery_log.replay(self.session, notification, delivery)
        return NotificationDeliveryView(**_delivery(Entry(again, None)))

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


def _delivery(entry: Entry) -> dict[str, Any]:
    delivery, last = entry.delivery, entry.last
    return {
        "uuid": delivery.uuid,
        "event": delivery.event,
        "state": delivery.state,
        "message_id": delivery.message_id,
        "created": delivery.created_at,
        "finished": delivery.finished_at,
        "attempts": delivery.attempts,
        "status": last.status if last else None,
        "error": delivery.error,
    }
