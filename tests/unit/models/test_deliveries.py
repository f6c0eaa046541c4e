"""The outbox: nothing is sent before it is committed, nothing is lost, and of two workers one is believed."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select

from models import deliveries, mail
from models.deliveries import KEPT, LEASE, PAUSES_S, Attempt
from models.errors import Invalid
from models.session import Database, Session
from models.tables import Delivery
from models.tables.base import now

SECRET = "the code is 123456"


def write_mail(database: Database, to: str = "ann@example.com", subject: str = "Hello") -> str:
    with database.write() as session:
        mail.send(session, to=to, subject=subject, text=SECRET)
        return session.scalars(select(Delivery.uuid).order_by(Delivery.id.desc()).limit(1)).one()


def write_two(session: Session, *addresses: str) -> None:
    for address in addresses:
        mail.send(session, to=address, subject="Hello", text=SECRET)


def take(database: Database, owner: str = "one") -> Attempt | None:
    with database.write() as session:
        return deliveries.take(session, owner, urgent=True)


def taken(database: Database, owner: str = "one") -> Attempt:
    attempt = take(database, owner)
    assert attempt is not None
    return attempt


def row(database: Database) -> Delivery:
    with database.read() as session:
        return session.scalars(select(Delivery)).one()


def let_pass(database: Database, time: timedelta) -> None:
    with database.write() as session:
        for delivery in session.scalars(select(Delivery)):
            delivery.due_at -= time
            delivery.finished_at = delivery.finished_at - time if delivery.finished_at else None


def test_a_worker_is_woken_once_the_mail_is_committed(database: Database) -> None:
    woken: list[tuple[str, str]] = []
    database.on_wake = lambda *sent: woken.append(sent)
    uuid = write_mail(database)
    assert woken == [("deliveries", uuid)]
    with pytest.raises(Invalid), database.write() as session:
        write_two(session, "bob@example.com", "nobody at all")
    assert len(woken) == 1
    assert row(database).uuid == uuid


def test_a_message_is_encrypted_and_wiped_once_it_is_sent(database: Database) -> None:
    write_mail(database)
    assert "123456" not in str(row(database).encrypted_message)
    assert "ann" not in str(row(database).encrypted_message)
    attempt = taken(database)
    with database.write() as session:
        assert deliveries.message_of(session, attempt) == {"to": "ann@example.com", "subject": "Hello", "text": SECRET}
        assert deliveries.succeed(session, attempt)
    ended = row(database)
    assert (ended.state, ended.encrypted_message, ended.owner) == ("delivered", None, None)
    assert ended.finished_at is not None


def test_of_many_workers_one_gets_the_row(database: Database) -> None:
    write_mail(database)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda number: take(database, f"worker {number}"), range(8)))
    assert sum(attempt is not None for attempt in found) == 1


def test_a_row_whose_worker_says_nothing_is_due_again_and_the_late_one_is_not_believed(database: Database) -> None:
    write_mail(database)
    late = taken(database, "late")
    let_pass(database, LEASE + timedelta(seconds=1))
    second = taken(database, "second")
    assert (second.uuid, second.number) == (late.uuid, 2)
    with database.write() as session:
        assert not deliveries.succeed(session, late)
        assert deliveries.fail(session, late, "too late") is None
        assert deliveries.succeed(session, second)


def test_what_the_dead_held_is_due_at_once(database: Database) -> None:
    write_mail(database)
    taken(database, "dead")
    assert take(database) is None
    with database.write() as session:
        assert deliveries.release_dead(session, lambda owner: owner == "alive") == 0
        assert deliveries.release_dead(session, lambda owner: owner == "dead") == 1
    assert taken(database).number == 2


def test_a_failed_attempt_is_repeated_after_growing_pauses_and_then_given_up(database: Database) -> None:
    write_mail(database)
    for number, pause in enumerate(PAUSES_S, start=1):
        attempt = taken(database)
        assert attempt.number == number
        with database.write() as session:
            assert deliveries.fail(session, attempt, "the server is away") == "waiting"
        assert take(database) is None
        waits = row(database).due_at - now()
        assert timedelta(seconds=pause - 2) < waits <= timedelta(seconds=pause)
        let_pass(database, timedelta(seconds=pause))
    with database.write() as session:
        assert deliveries.fail(session, attempt := taken_in(session), "the server is away") == "failed"
    assert attempt.number == len(PAUSES_S) + 1
    ended = row(database)
    assert (ended.state, ended.error, ended.encrypted_message) == ("failed", "the server is away", None)


def taken_in(session: Session) -> Attempt:
    attempt = deliveries.take(session, "one", urgent=True)
    assert attempt is not None
    return attempt


def test_the_number_of_due_rows_is_counted_up_to_a_limit(database: Database) -> None:
    for _ in range(3):
        write_mail(database)
    with database.read() as session:
        assert deliveries.count_due(session, "one", urgent=True, limit=8) == 3
        assert deliveries.count_due(session, "one", urgent=True, limit=2) == 2


def test_rows_that_ended_are_forgotten_in_time_a_slice_at_a_time(database: Database) -> None:
    for _ in range(3):
        write_mail(database)
        with database.write() as session:
            assert deliveries.fail(session, taken_in(session), "no such mailbox", final=True) == "failed"
    for passed, forgotten in ((timedelta(days=1), 0), (KEPT, 2)):
        let_pass(database, passed)
        with database.write() as session:
            assert deliveries.forget_old(session, limit=2) == forgotten
    with database.write() as session:
        assert deliveries.forget_old(session) == 1


def test_what_waits_is_counted_by_kind(database: Database) -> None:
    write_mail(database)
    write_mail(database)
    with database.write() as session:
        assert deliveries.count_waiting(session) == {"mail": 2}
        deliveries.succeed(session, taken_in(session))
        assert deliveries.count_waiting(session) == {"mail": 1}


@pytest.mark.parametrize(
    "to",
    [
        "ann@example.com\r\nBcc: eve@example.com",
        "ann@example.com\n",
        "ann@example.com,eve@example.com",
        "ann@example.com eve@example.com",
        "Ann <ann@example.com>",
        '"a b"@example.com',
        "ann@example.com\u00a0",
        "ann",
        "",
    ],
)
def test_mail_goes_to_one_plain_address(database: Database, to: str) -> None:
    with pytest.raises(Invalid), database.write() as session:
        mail.send(session, to=to, subject="Hello", text="text")


def test_a_subject_becomes_one_line(database: Database) -> None:
    write_mail(database, subject="Hello\r\nBcc: eve@example.com\u2028x" + "y" * 300)
    attempt = taken(database)
    with database.read() as session:
        subject = deliveries.message_of(session, attempt)["subject"]
    assert subject.startswith("Hello Bcc: eve@example.com xy")
    assert len(subject) == mail.LONGEST_SUBJECT
