"""What is told of a namespace that comes near its quota, or has no room left."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from models.addresses import Allowed
from models.events import quota_data
from models.notification_methods import Subject
from models.notifications import Wish, create_notification
from models.quota_limits import create_limit, create_quota
from models.tables import Organization, Repository, UserNotification
from models.tables.base import now
from tests.factories.outbox import new_messages
from tests.factories.pusher import Pusher
from tests.unit.registry.conftest import Registry, image

KEYS = quota_data(threshold_percent=1, usage=1, limit=1).keys()


@pytest.fixture
def limited(registry: Registry, pusher: Pusher) -> Registry:
    """acme may use 1000 bytes, is warned at 50 and 80 percent, and its notifications want to know."""
    pusher.image("v0", b"")
    with registry.services.database.write() as session:
        acme = session.scalars(select(Organization).where(Organization.name == "acme")).one()
        app = session.scalars(select(Repository).where(Repository.name == "app")).one()
        quota = create_quota(session, acme, 1000, actor=pusher.actor)
        for kind, percent in (("Warning", 50), ("Warning", 80), ("Reject", 100)):
            create_limit(session, acme, quota, kind, percent, actor=pusher.actor)
        for event in ("quota_warning", "quota_error"):
            for subject in (Subject(acme), Subject(acme, app)):
                wish = Wish(event, "slack", {"url": "https://example.com"}, {})
                create_notification(session, subject, wish, allowed=Allowed([]), actor=pusher.actor)
    return registry


def announced(registry: Registry) -> list[dict[str, Any]]:
    """What was announced since the last time."""
    return new_messages(registry.services.database)


def noticed(registry: Registry) -> list[tuple[str, int]]:
    """(kind, percent) of what administrators find."""
    with registry.services.database.read() as session:
        found = session.scalars(select(UserNotification).order_by(UserNotification.id))
        return [(notice.kind, notice.detail["threshold_percent"]) for notice in found]


def test_a_push_that_passes_a_warning_limit_tells_it_once(limited: Registry, pusher: Pusher) -> None:
    pusher.image("v1", b"x" * 400)
    assert announced(limited) == []
    pusher.image("v2", b"y" * 200)
    (told,) = announced(limited)
    assert (told["event"], told["repository_id"]) == ("quota_warning", None)
    assert told["data"].keys() == KEYS
    usage = told["data"]["usage_bytes"]
    assert 600 <= usage < 620
    assert (told["data"]["threshold_percent"], told["data"]["limit_bytes"]) == (50, 1000)
    assert told["data"]["usage_percent"] == usage // 10
    pusher.image("v3", b"z" * 10)
    assert announced(limited) == []
    pusher.image("v4", b"w" * 200)
    assert [each["data"]["threshold_percent"] for each in announced(limited)] == [80]
    assert noticed(limited) == [("quota_warning", 50), ("quota_warning", 80)]


def test_one_push_may_pass_several_limits(limited: Registry, pusher: Pusher) -> None:
    pusher.image("v1", b"x" * 900)
    assert [each["data"]["threshold_percent"] for each in announced(limited)] == [50, 80]


def test_pushes_that_are_refused_are_told_once_an_hour(limited: Registry, pusher: Pusher) -> None:
    large = image(limited.push_blob(b"{}"), 2, limited.push_blob(b"x" * 2000), 2000)
    for _ in range(2):
        refused = limited.put_manifest("large", large)
        assert (refused.status_code, refused.get_json()["errors"][0]["code"]) == (403, "DENIED")
    (told,) = announced(limited)
    assert told["event"] == "quota_error"
    assert told["data"].keys() == KEYS
    assert (told["data"]["threshold_percent"], told["data"]["usage_bytes"] < 20) == (100, True)
    assert noticed(limited) == [("quota_error", 100)]
    with limited.services.database.write() as session:
        session.execute(update(UserNotification).values(created_at=now() - timedelta(hours=2)))
    assert limited.put_manifest("large", large).status_code == 403
    assert len(announced(limited)) == 1


def test_an_upload_for_which_there_is_no_room_is_told_too(limited: Registry, pusher: Pusher) -> None:
    pusher.image("v1", b"x" * 998)  # beside the two bytes of a configuration
    announced(limited)
    assert limited.call("POST", "acme/app/blobs/uploads/").status_code == 403
    (told,) = announced(limited)
    assert (told["event"], told["data"]["usage_percent"]) == ("quota_error", 100)


def test_without_notifications_administrators_are_told_all_the_same(registry: Registry, pusher: Pusher) -> None:
    pusher.image("v0", b"")
    with registry.services.database.write() as session:
        acme = session.scalars(select(Organization).where(Organization.name == "acme")).one()
        quota = create_quota(session, acme, 1000, actor=pusher.actor)
        create_limit(session, acme, quota, "Warning", 50, actor=pusher.actor)
    pusher.image("v1", b"x" * 600)
    assert announced(registry) == []
    assert noticed(registry) == [("quota_warning", 50)]
