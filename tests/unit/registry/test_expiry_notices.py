"""Tags that are about to end are told in time, once, by each notification as it asks for."""

from typing import Any

from sqlalchemy import update

from models.access import find_repository
from models.addresses import Allowed
from models.expiry_notices import EVENT, tell_expiring
from models.notification_methods import Subject
from models.notifications import Wish, create_notification
from models.tables import Notification, Tag
from models.tags import now_ms
from tests.factories.outbox import new_messages
from tests.factories.pusher import Pusher

DAY_MS = 24 * 3600 * 1000
LAYER = b"a layer"


def notify(pusher: Pusher, days: int) -> int:
    """A notification so many days ahead; its id."""
    with pusher.services.database.write() as session:
        repository = find_repository(session, "acme", "app")
        assert repository is not None
        wish = Wish(EVENT, "slack", {"url": "https://example.com"}, {"days": days})
        subject = Subject(repository.namespace, repository)
        made, _ = create_notification(session, subject, wish, allowed=Allowed([]), actor=pusher.actor)
        return made.id


def end(pusher: Pusher, tag: str, days: float) -> None:
    """Let the tag end in so many days."""
    with pusher.services.database.write() as session:
        expires_ms = now_ms() + int(days * DAY_MS)
        session.execute(update(Tag).where(Tag.name == tag).values(expires_ms=expires_ms))


def told(pusher: Pusher) -> list[tuple[int, Any, Any]]:
    """(notification, tags, how soon) of every announcement since the last time."""
    tell_expiring(pusher.services.database)
    messages = new_messages(pusher.services.database)
    return [(each["notification_id"], each["data"]["tags"], each["data"]["expiring_in"]) for each in messages]


def test_each_tag_is_told_once_when_its_end_is_near_enough(pusher: Pusher) -> None:
    for tag in ("a", "b", "c", "d"):
        pusher.image(tag, LAYER)
    assert told(pusher) == []
    soon, later = notify(pusher, 2), notify(pusher, 30)
    end(pusher, "a", 1)
    end(pusher, "b", 29)
    end(pusher, "c", 31)
    assert told(pusher) == [(soon, ["a"], "2 days"), (later, ["a", "b"], "30 days")]
    assert told(pusher) == []
    end(pusher, "c", 1.5)
    assert told(pusher) == [(soon, ["c"], "2 days"), (later, ["c"], "30 days")]


def test_an_end_that_is_moved_is_told_again_and_one_that_has_come_is_not(pusher: Pusher) -> None:
    pusher.image("a", LAYER)
    pusher.image("b", LAYER)
    notification = notify(pusher, 3)
    end(pusher, "a", 1)
    end(pusher, "b", -1)
    assert told(pusher) == [(notification, ["a"], "3 days")]
    end(pusher, "a", 20)
    assert told(pusher) == []
    end(pusher, "a", 2)
    assert told(pusher) == [(notification, ["a"], "3 days")]
    pusher.untag("a")
    end(pusher, "a", 1)
    assert told(pusher) == []


def test_a_notification_that_failed_too_often_tells_it_once_it_is_reset(pusher: Pusher) -> None:
    pusher.image("a", LAYER)
    notification = notify(pusher, 3)
    end(pusher, "a", 1)
    for failures, wanted in ((3, []), (0, [(notification, ["a"], "3 days")])):
        with pusher.services.database.write() as session:
            session.execute(update(Notification).values(number_of_failures=failures))
        assert told(pusher) == wanted
