"""What the user who calls has been told."""

from typing import Any

from pydantic import Field

from api.endpoint import Body, Query, Resource, Section, View, operation
from api.rules import user_admin
from api.v1.views import Moment
from models import user_notifications
from models.tables import User, UserNotification

section = Section("user", __doc__)

_MOST_LISTED = 100


class NotificationsQuery(Query):
    page: int = Field(0, ge=0, le=2**31 - 1, description="Which page of the list, beginning with 0")
    limit: int = Field(5, ge=1, description=f"The most notifications to return, at most {_MOST_LISTED}")


class NotificationUpdate(Body):
    dismissed: bool | None = Field(None, description="Whether the notification is dismissed")


class UserNotificationView(View):
    """`organization`: whose administrators were told; null if the user was."""

    id: str
    organization: str | None
    kind: str
    created: Moment
    metadata: dict[str, Any]
    dismissed: bool


class UserNotificationsView(View):
    """`additional`: there are more, on the next page."""

    notifications: list[UserNotificationView]
    additional: bool


@section.at("/user/notifications")
class UserNotifications(Resource):
    @operation("listUserNotifications", allow=user_admin)
    def get(self, user: User, query: NotificationsQuery) -> UserNotificationsView:
        """List the notifications for the user that were not dismissed, newest first."""
        limit = min(query.limit, _MOST_LISTED)
        found, more = user_notifications.list_notices(self.session, user, page=query.page, limit=limit)
        return UserNotificationsView(notifications=[_view(notice) for notice in found], additional=more)


@section.at("/user/notifications/<uuid>")
class OneUserNotification(Resource):
    @operation("getUserNotification", allow=user_admin)
    def get(self, user: User, uuid: str) -> UserNotificationView:
        """Returns the notification, dismissed or not."""
        return _view(user_notifications.get_notice(self.session, user, uuid))

    @operation("updateUserNotification", allow=user_admin)
    def put(self, user: User, uuid: str, body: NotificationUpdate) -> UserNotificationView:
        """Dismiss the notification, or take that back."""
        notice = user_notifications.get_notice(self.session, user, uuid)
        if body.dismissed is not None:
            notice.dismissed = body.dismissed
        return _view(notice)


def _view(notice: UserNotification) -> UserNotificationView:
    return UserNotificationView(
        id=notice.uuid,
        organization=notice.account.name if notice.account.kind == "organization" else None,
        kind=notice.kind,
        created=notice.created_at,
        metadata=notice.detail,
        dismissed=notice.dismissed,
    )
