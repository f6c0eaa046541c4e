"""The outbox where many workers look at the same moment."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from models import deliveries, mail
from models.access import find_repository
from models.deliveries import new_for
from models.migrate import upgrade
from models.session import Database
from models.tables import Delivery, Notification
from models.vault import Vault
from tests.factories.database import KEY
from tests.factories.world import make_world


@pytest.fixture
def crowd(fresh_postgres_url: str) -> Iterator[Database]:
    database = Database(fresh_postgres_url, Vault([KEY]))
    upgrade(database)
    with database.write() as session:
        make_world(session)
    yield database
    database.dispose()


def drain(database: Database, *, urgent: bool) -> list[tuple[str, int | None]]:
    """Have six workers empty the outbox; (uuid, notification) of all that they took."""
    together = threading.Barrier(6)

    def work(number: int) -> list[tuple[str, int | None]]:
        done: list[tuple[str, int | None]] = []
        together.wait()
        while True:
            with database.write() as session:
                attempt = deliveries.take(session, f"worker {number}", urgent=urgent)
            if attempt is None:
                return done
            of = attempt.told.notification_id if attempt.told else None
            done.append((attempt.uuid, of))
            with database.write() as session:
                assert deliveries.succeed(session, attempt)

    with ThreadPoolExecutor(6) as pool:
        return [each for done in pool.map(work, range(6)) for each in done]


def test_every_mail_is_taken_once(crowd: Database) -> None:
    for number in range(40):
        with crowd.write() as session:
            mail.send(session, to=f"a{number}@example.com", subject="x", text="y")
    taken = drain(crowd, urgent=True)
    assert len(taken) == len(set(taken)) == 40


def test_workers_that_look_at_once_see_rows_of_different_notifications(crowd: Database) -> None:
    with crowd.write() as session:
        repository = find_repository(session, "acme", "app")
        wishes = [
            Notification(repository=repository, event="repo_push", method="slack", encrypted_config="", event_config={})
            for _ in range(3)
        ]
        session.add_all(wishes)
        session.flush()
        for wish in wishes:
            session.add_all(new_for(wish, {}) for _ in range(10))
    with crowd.write() as one, crowd.write() as two, crowd.write() as three, crowd.write() as four:
        taken = [deliveries.take(each, f"worker {each}", urgent=False) for each in (one, two, three, four)]
        assert len({attempt.told.notification_id for attempt in taken if attempt and attempt.told}) == 3
        assert taken[3] is None
    with crowd.write() as session:
        deliveries.release_dead(session, lambda _: True)
    drained: list[tuple[str, int | None]] = []
    while len(drained) < 30:
        drained += drain(crowd, urgent=False)
    with crowd.read() as session:
        assert set(session.scalars(select(Delivery.state))) == {"delivered"}
    assert len(set(drained)) == 30


def test_a_process_takes_so_many_of_one_namespace_and_no_more(crowd: Database) -> None:
    with crowd.write() as session:
        repository = find_repository(session, "acme", "app")
        assert repository is not None
        subjects = [{"repository": repository}] * 2 + [{"namespace": repository.namespace}] * 2
        facts = {"event": "repo_push", "method": "slack", "encrypted_config": "", "event_config": {}}
        for subject in subjects:
            wish = Notification(**subject, **facts)
            session.add(wish)
            session.flush()
            session.add(new_for(wish, {}))

    def take(owner: str) -> bool:
        with crowd.write() as session:
            return deliveries.take(session, owner, urgent=False, most_of_one=3) is not None

    def count(owner: str) -> int:
        with crowd.read() as session:
            return deliveries.count_due(session, owner, urgent=False, limit=8, most_of_one=3)

    assert count("one") == 4
    assert [take("one") for _ in range(4)] == [True, True, True, False]
    assert (count("one"), count("two")) == (0, 1)
    assert take("two")  # another process has senders of its own
