"""A push is told in its own transaction, and costs nothing where nobody wants to know."""

from typing import Any

import pytest
from sqlalchemy import event, select, update

from models.errors import QuotaExceeded
from models.quota_limits import create_limit, create_quota
from models.tables import Organization, Repository
from tests.factories.outbox import new_messages
from tests.factories.pusher import Pusher


def messages(pusher: Pusher) -> list[dict[str, Any]]:
    return new_messages(pusher.services.database)


def listen(pusher: Pusher) -> None:
    pusher.repository_id()
    with pusher.services.database.write() as session:
        session.execute(update(Repository).values(tells_pushes=True))


def statements(pusher: Pusher, tag: str, layer: bytes) -> int:
    """How many statements the push of an image takes."""
    seen: list[str] = []
    engine = pusher.services.database.engine

    def note(*args: Any) -> None:
        seen.append(args[2])

    event.listen(engine, "before_cursor_execute", note)
    try:
        pusher.image(tag, layer)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return len(seen)


def test_a_push_by_tag_is_told_and_one_by_digest_is_not(pusher: Pusher) -> None:
    listen(pusher)
    pusher.image("v1", b"a layer")
    pusher.image(None, b"another layer")
    (message,) = messages(pusher)
    assert (message["event"], message["data"]) == ("repo_push", {"updated_tags": ["v1"]})
    assert message["performer"] == pusher.actor.name


def test_where_nobody_listens_a_push_asks_and_writes_nothing_more(pusher: Pusher) -> None:
    pusher.image("v1", b"one")
    unheard = statements(pusher, "v2", b"two")
    listen(pusher)
    heard = statements(pusher, "v3", b"six")
    assert heard - unheard == 1  # the row itself
    assert len(messages(pusher)) == 1


def test_a_push_that_is_refused_is_not_told(pusher: Pusher) -> None:
    listen(pusher)
    with pusher.services.database.write() as session:
        acme = session.scalars(select(Organization).where(Organization.name == "acme")).one()
        quota = create_quota(session, acme, 1, actor=pusher.actor)
        create_limit(session, acme, quota, "Reject", 100, actor=pusher.actor)
    with pytest.raises(QuotaExceeded):
        pusher.image("v1", b"too large")
    assert messages(pusher) == []
