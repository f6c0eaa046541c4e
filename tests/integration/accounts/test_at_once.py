"""People who do the same thing at the same moment, on a real PostgreSQL: one of them does it."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier, Event
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from config.settings import Settings
from models import brakes, external_logins, members, recovery, registration
from models.access import ANONYMOUS, get_organization
from models.authentication import Superusers, identify_user
from models.brakes import MAILING, PASSWORD, Counted
from models.codes import issue_code
from models.errors import DomainError, Unauthenticated
from models.external_logins import Person
from models.immutability_policies import create_policy, list_policies, remove_policy
from models.migrate import upgrade
from models.organizations import OWNERS, create_organization, rename_organization
from models.robots import create_robot
from models.session import Database
from models.sessions import MOST_OF_ONE_USER, begin_session
from models.tables import Brake, BrowserSession, ExternalLogin, OneTimeCode, Team, User
from models.tables.base import now
from models.teams import add_member, put_team, remove_member
from models.users import change_user, create_user, get_user, remove_user
from models.vault import Vault
from tests.factories.api import make_services
from tests.factories.browser import Browser
from tests.factories.database import empty
from tests.services.postgres import Postgres
from web import organizations

AT_ONCE = 8
ANN = Person("subject-of-ann", "ann", "ann@example.com", email_verified=True)


@pytest.fixture(scope="module")
def one_database(postgres: Postgres) -> Iterator[Database]:
    database = Database(postgres.new_database(), Vault(["a key of the tests, long enough for one"]))
    upgrade(database)
    yield database
    database.dispose()


@pytest.fixture
def database(one_database: Database) -> Iterator[Database]:
    yield one_database
    empty(one_database)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(DATA=tmp_path, FEATURE_MAILING=True)


def at_once(work: Callable[[int], Any]) -> list[Any]:
    """What came of each of several who did `work` together; None: it was refused."""
    together = Barrier(AT_ONCE)

    def go(number: int) -> Any:
        together.wait()
        try:
            return work(number)
        except DomainError:
            return None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(go, range(AT_ONCE)))


def add_ann(database: Database) -> None:
    with database.write() as session:
        create_user(session, "ann", email="ann@example.com", actor=ANONYMOUS)


def test_there_is_one_first_user(database: Database, settings: Settings) -> None:
    def initialize(number: int) -> str:
        with database.write() as session:
            name = f"first{number}"
            first = registration.initialize(session, settings, name, email=None, password_hash="x", actor=ANONYMOUS)
            return first.name

    assert len(list(filter(None, at_once(initialize)))) == 1


def test_one_person_gets_one_account(database: Database, settings: Settings) -> None:
    def enter(_: int) -> str:
        def work(session: Any) -> str:
            user = external_logins.find_user(session, "keycloak", ANN) or external_logins.sign_up(
                session, settings, Superusers(), "keycloak", ANN, ip=None
            )
            return str(user.name)

        return database.apply(work)

    assert at_once(enter) == ["ann"] * AT_ONCE
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(ExternalLogin)) == 1


def test_every_failure_counts(database: Database) -> None:
    firsts = at_once(lambda _: brakes.count(database, Counted(PASSWORD, "ann")))
    assert firsts.count(True) == 1
    with database.read() as session:
        assert session.scalars(select(Brake.failures)).one() == AT_ONCE


def test_of_many_guesses_when_a_pause_is_over_one_is_looked_at(database: Database) -> None:
    for _ in range(PASSWORD.free):
        brakes.count(database, Counted(PASSWORD, "ann"))
    with database.write() as session:
        session.execute(update(Brake).values(last_at=now() - timedelta(seconds=5)))

    def guess(_: int) -> str:
        try:
            identify_user(database, Superusers(), "ann", "wrong")
        except Unauthenticated:
            return "looked at"
        return "let in"

    assert list(filter(None, at_once(guess))) == ["looked at"]


def test_of_many_mails_at_a_time_the_free_ones_are_sent(database: Database) -> None:
    def ask(_: int) -> str:
        brakes.slow_down(database, Counted(MAILING, "ann@example.com"))
        return "sent"

    assert at_once(ask).count("sent") == MAILING.free


def test_a_policy_made_while_the_only_other_one_is_removed_has_effect(database: Database) -> None:
    add_ann(database)
    with database.write() as session:
        create_policy(session, get_user(session, "ann"), None, "first", actor=ANONYMOUS)
    loaded = Event()

    def make_another() -> None:
        with database.write() as session:
            ann = get_user(session, "ann")
            loaded.set()
            create_policy(session, ann, None, "second", actor=ANONYMOUS)

    with ThreadPoolExecutor(1) as pool:
        with database.write() as session:
            ann = get_user(session, "ann")
            (policy,) = list_policies(session, ann)
            remove_policy(session, ann, None, policy, actor=ANONYMOUS)
            made = pool.submit(make_another)
            loaded.wait()
        made.result()
    with database.read() as session:
        assert get_user(session, "ann").fixes_tags


def test_a_robot_made_while_its_owner_gets_another_name_has_the_new_one(database: Database) -> None:
    add_ann(database)
    with database.write() as session:
        create_organization(session, "acme", owner=get_user(session, "ann"), email=None, actor=ANONYMOUS)
    loaded = Event()

    def make_robot() -> str:
        with database.write() as session:
            acme = get_organization(session, "acme")
            loaded.set()
            return create_robot(session, acme, "ci", actor=ANONYMOUS).name

    with ThreadPoolExecutor(1) as pool:
        with database.write() as session:
            rename_organization(session, get_organization(session, "acme"), "ajax", actor=ANONYMOUS)
            made = pool.submit(make_robot)
            loaded.wait()
        assert made.result() == "ajax+ci"


@pytest.mark.parametrize("way", ["team", "organization", "disabled", "deleted", "demoted"])
def test_administrators_who_remove_each_other_leave_one(database: Database, way: str) -> None:
    """Each is in a team of its own, so that nobody waits for anybody's rows."""
    names = [f"owner{number}" for number in range(AT_ONCE)]
    with database.write() as session:
        people = [create_user(session, name, email=None, actor=ANONYMOUS) for name in names]
        acme = create_organization(session, "acme", owner=people[0], email=None, actor=ANONYMOUS)
        for name in names[1:]:
            team, _ = put_team(session, acme, name, role="admin", description=None, actor=ANONYMOUS)
            add_member(session, team, name, actor=ANONYMOUS)

    def remove(number: int) -> str:
        name = names[number]
        team_name = name if number else OWNERS
        with database.write() as session:
            acme = get_organization(session, "acme")
            if way == "organization":
                members.remove_member(session, acme, name, actor=ANONYMOUS)
            elif way == "disabled":
                change_user(session, get_user(session, name), enabled=False, actor=ANONYMOUS)
            elif way == "deleted":
                remove_user(session, get_user(session, name), actor=ANONYMOUS)
            elif way == "demoted":
                put_team(session, acme, team_name, role="member", description=None, actor=ANONYMOUS)
            else:
                team = session.scalars(select(Team).where(Team.name == team_name)).one()
                remove_member(session, team, name, actor=ANONYMOUS)
        return name

    assert at_once(remove).count(None) == 1


def test_a_form_sent_twice_makes_one_organization(database: Database, tmp_path: Path) -> None:
    add_ann(database)
    services = make_services(database, tmp_path)
    app = Flask("tests")
    app.register_blueprint(organizations.blueprint(services))

    def send(_: int) -> int:
        browser = Browser(app)
        browser.enter(services, "ann")
        browser.get("/organizations")
        return browser.submit("/organizations", name="acme").status_code

    assert sorted(at_once(send)) == [303] + [409] * (AT_ONCE - 1)


def test_a_code_is_used_once(database: Database, settings: Settings) -> None:
    add_ann(database)
    with database.write() as session:
        user = get_user(session, "ann")
        code = issue_code(session, user, "recover", "ann@example.com", lifetime=settings.recovery_lifetime)

    def recover(number: int) -> str:
        with database.write() as session:
            return recovery.recover(session, settings, code, f"hash number {number}", ip=None).name

    assert len(list(filter(None, at_once(recover)))) == 1
    with database.read() as session:
        assert session.scalars(select(OneTimeCode)).all() == []


def test_sign_ins_do_not_stand_in_each_others_way(database: Database, settings: Settings) -> None:
    add_ann(database)

    def begin(_: int) -> str:
        with database.write() as session:
            return begin_session(session, settings, session.scalars(select(User)).one())

    for _ in range(MOST_OF_ONE_USER // AT_ONCE + 2):
        assert None not in at_once(begin)
    with database.read() as session:
        count = session.scalar(select(func.count()).select_from(BrowserSession)) or 0
    assert MOST_OF_ONE_USER <= count <= MOST_OF_ONE_USER + AT_ONCE
