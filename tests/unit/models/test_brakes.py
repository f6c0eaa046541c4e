"""Guessing gets slower, for names that exist and names that do not; nobody learns which is which."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from models import brakes
from models.authentication import Superusers, identify_user
from models.brakes import PASSWORD, Counted, count, in_turn, refuse_while_waiting, site_of
from models.errors import TooMany, Unauthenticated
from models.passwords import hash_password
from models.session import Database
from models.tables import Brake
from models.tables.base import now
from models.users import change_user, get_user
from tests.factories.accounts import identity_of
from tests.factories.browser import PASSWORD as RIGHT
from tests.factories.browser import make_person

SUPERUSERS = Superusers()


def tries(database: Database, name: str, times: int, *, ip: str = "192.0.2.1", password: str = "wrong") -> list[type]:
    """What each try comes to."""
    found: list[type] = []
    for _ in range(times):
        try:
            found.append(type(identify_user(database, SUPERUSERS, name, password, ip=ip)))
        except (Unauthenticated, TooMany) as exc:
            found.append(type(exc))
    return found


def later(database: Database, seconds: float) -> None:
    with database.write() as session:
        for row in session.scalars(select(Brake)):
            row.last_at -= timedelta(seconds=seconds)


def rows(database: Database) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(Brake)) or 0


@pytest.mark.parametrize("name", ["ann", "ann@example.com", "nobody", "nobody@example.com"])
def test_every_name_is_braked_alike(database: Database, name: str) -> None:
    make_person(database, "ann")
    assert tries(database, name, 5) == [Unauthenticated] * 3 + [TooMany] * 2
    later(database, 2)
    assert tries(database, name, 2) == [Unauthenticated, TooMany]
    later(database, 3)
    assert tries(database, name, 2) == [Unauthenticated, TooMany]
    with database.read() as session, pytest.raises(TooMany) as refusal:
        refuse_while_waiting(session, Counted(PASSWORD, name))
    assert refusal.value.retry_after in {4, 5}


def test_the_pause_has_an_end(database: Database) -> None:
    count(database, Counted(PASSWORD, "ann"))
    with database.write() as session:
        session.execute(update(Brake).values(failures=10_000))
    with database.read() as session, pytest.raises(TooMany) as refusal:
        refuse_while_waiting(session, Counted(PASSWORD, "ann"))
    assert refusal.value.retry_after == brakes.LONGEST_PAUSE_S


def test_the_right_password_waits_too_and_then_clears_the_count(database: Database) -> None:
    make_person(database, "ann")
    tries(database, "ann", 3)
    with pytest.raises(TooMany):
        identify_user(database, SUPERUSERS, "ann", RIGHT)
    later(database, 2)
    assert identify_user(database, SUPERUSERS, "ann", RIGHT).name == "ann"
    assert rows(database) == 1  # the address's


def test_of_those_who_try_when_a_pause_is_over_one_does(database: Database) -> None:
    name, site = Counted(PASSWORD, "ann"), Counted(brakes.SPRAYING, "192.0.2.1")
    failures = {name: PASSWORD.free, site: brakes.SPRAYING.free}
    for subject, number in failures.items():
        for _ in range(number):
            count(database, subject)
    later(database, 2)
    with database.read() as session:
        seen_by_both = refuse_while_waiting(session, name, site)
    assert seen_by_both == failures
    with in_turn(database, seen_by_both):
        for subject, number in failures.items():
            with pytest.raises(TooMany), in_turn(database, {subject: number}):
                raise AssertionError("this must not run")
    with in_turn(database, seen_by_both):  # nothing came of the first try: it is as if it had not been
        count(database, name)
    with database.read() as session:
        assert refuse_while_waiting(session, site) == {site: brakes.SPRAYING.free}
        with pytest.raises(TooMany):
            refuse_while_waiting(session, name)


def test_a_new_password_clears_the_count(database: Database) -> None:
    user = make_person(database, "ann")
    tries(database, "ann", 3)
    with database.write() as session:
        another = hash_password("another horse")
        change_user(session, get_user(session, "ann"), password_hash=another, actor=identity_of(user))
    assert identify_user(database, SUPERUSERS, "ann", "another horse").name == "ann"


def test_a_disabled_users_right_password_counts_as_wrong(database: Database) -> None:
    make_person(database, "ann")
    with database.write() as session:
        get_user(session, "ann").enabled = False
    assert tries(database, "ann", 4, password=RIGHT)[-1] is TooMany


def test_an_address_that_tries_many_names_is_braked_for_all(database: Database) -> None:
    for number in range(brakes.SPRAYING.free):
        if count(database, Counted(PASSWORD, f"name{number}")):
            count(database, Counted(brakes.SPRAYING, site_of("192.0.2.1")))
    assert tries(database, "another", 1) == [TooMany]
    assert tries(database, "another", 1, ip="192.0.2.2") == [Unauthenticated]


def test_an_address_that_gets_one_name_wrong_for_ever_hinders_nobody_else(database: Database) -> None:
    for _ in range(brakes.SPRAYING.free + 1):
        tries(database, "ann", 1)
        later(database, 400)
    assert tries(database, "bob", 1) == [Unauthenticated]


def test_failures_are_forgotten(database: Database) -> None:
    tries(database, "ann", 3)
    later(database, brakes.FORGOTTEN_AFTER.total_seconds() + 1)
    tries(database, "bob", 1)
    assert rows(database) == 2  # bob, and the address


def test_there_are_never_many_rows_for_long(database: Database) -> None:
    with database.write() as session:
        session.add_all(
            Brake(key=f"{number:064}", failures=1, last_at=now() - timedelta(seconds=number)) for number in range(30)
        )
        session.flush()
        brakes.keep_newest(session, 10)
        assert set(session.scalars(select(Brake.key))) == {f"{number:064}" for number in range(10)}
        brakes.keep_newest(session, 10)
    assert rows(database) == 10


@pytest.mark.parametrize(
    ("ip", "site"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        (None, "nowhere"),
        ("unix:", "nowhere"),
    ],
)
def test_addresses_of_one_machine_count_as_one(ip: str | None, site: str) -> None:
    assert site_of(ip) == site
