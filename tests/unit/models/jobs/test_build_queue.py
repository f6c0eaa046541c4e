"""Whose build is next, how many of a namespace run at once, and what those are told that wait."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from models import build_queue, jobs
from models.access import Identity, find_account, find_repository
from models.build_queue import claim_next, places
from models.builds import Source, find_build, start_build
from models.repositories import create_repository
from models.session import Database, Session
from models.tables import Account, Build, Job, User
from models.tables.base import now
from tests.factories.accounts import identity_of, make_user

ROOT = Identity(name="root")
SOURCE = Source("https://example.com/a.tgz", None, "/Dockerfile", "/")


def ask(session: Session, who: str, count: int = 1) -> list[str]:
    """Builds of that user's, who is made if need be."""
    found = find_account(session, who)
    identity = identity_of(found if isinstance(found, User) else make_user(session, who))
    repository = find_repository(session, who, "app") or create_repository(
        session, who, "app", actor=identity, public=False
    )
    options = {"tags": ["latest"], "pull_robot": None, "limit": None}
    return [start_build(session, repository, SOURCE, actor=identity, **options).uuid for _ in range(count)]  # type: ignore[arg-type]


def names(session: Session, uuids: list[str]) -> list[str]:
    builds = [find_build(session, uuid) for uuid in uuids]
    return [build.repository.namespace.name for build in builds if build]


def take(session: Session, count: int, *, limit: int | None = None, finish: bool = False) -> list[str]:
    """The uuids of the builds that are begun, one after the other."""
    taken = []
    for _ in range(count):
        if lease := claim_next(session, "a worker", limit=limit):
            taken.append(lease.uuid)
            if finish:
                jobs.finish(session, lease, "success")
    return taken


def account(session: Session, name: str) -> Account:
    found = find_account(session, name)
    assert found is not None
    return found


def told(session: Session, uuids: list[str], *, limit: int | None = None, workers: int | None = 2) -> list[str]:
    builds = [build for uuid in uuids if (build := find_build(session, uuid))]
    found = places(session, builds, limit=limit)
    return [found[uuid].waiting_for(workers) for uuid in uuids if uuid in found]


@pytest.mark.parametrize("finish", [True, False], ids=["by one worker", "by many"])
def test_namespaces_take_turns(database: Database, finish: bool) -> None:
    with database.write() as session:
        ask(session, "many", 4)
        ask(session, "few", 2)
        ask(session, "one")
        taken = take(session, 9, finish=finish)
        assert names(session, taken) == ["many", "few", "one", "many", "few", "many", "many"]


def test_builds_of_a_namespace_begin_in_their_order(database: Database) -> None:
    with database.write() as session:
        asked = ask(session, "one", 3)
        assert take(session, 9, finish=True) == asked


def test_a_namespace_has_no_more_running_than_it_may(database: Database) -> None:
    with database.write() as session:
        many, few = ask(session, "many", 4), ask(session, "few")
        assert take(session, 9, limit=2) == [many[0], few[0], many[1]]
        assert claim_next(session, "a worker", limit=2) is None
        assert build_queue.startable(session, limit=2) == []
        assert told(session, many[2:], limit=2) == ["the namespace's limit of 2 running builds"] * 2
        build_queue.set_share(session, account(session, "many"), max_running=3, priority=0, actor=ROOT)
        assert take(session, 9, limit=2) == [many[2]]


def test_a_superuser_lets_a_namespace_or_a_build_pass(database: Database) -> None:
    with database.write() as session:
        ordinary, urgent = ask(session, "ordinary", 2), ask(session, "urgent", 2)
        build_queue.set_share(session, account(session, "urgent"), max_running=None, priority=5, actor=ROOT)
        later = ask(session, "urgent")
        build = find_build(session, ordinary[1])
        assert build is not None
        build_queue.set_priority(session, build, 9, actor=ROOT)
        assert take(session, 9) == [ordinary[1], *urgent, *later, ordinary[0]]


def test_who_waits_is_told_for_what(database: Database) -> None:
    with database.write() as session:
        first, second, third = ask(session, "one", 3)
        assert told(session, [first, second, third]) == ["a free worker", "1 build ahead", "2 builds ahead"]
        assert told(session, [third], workers=0) == ["no worker is running"]
        assert told(session, [first], workers=None) == ["a free worker"]
        lease = claim_next(session, "a worker", limit=None)
        assert lease is not None
        assert told(session, [first]) == []
        jobs.release(session, lease, delay=timedelta(seconds=10))
        session.expire_all()
        assert told(session, [first, second]) == ["the next attempt, in 10 s", "a free worker"]
        build = find_build(session, first)
        assert build is not None
        assert places(session, [build], limit=None)[first].position is None


def test_positions_are_those_in_which_builds_begin(database: Database) -> None:
    with database.write() as session:
        uuids = ask(session, "many", 3) + ask(session, "few", 2)
        builds = [build for uuid in uuids if (build := find_build(session, uuid))]
        found = places(session, builds, limit=None)
        order = sorted(uuids, key=lambda uuid: found[uuid].position or 0)
        assert take(session, 9) == order


def test_only_those_are_startable_that_wait_long_enough(database: Database) -> None:
    with database.write() as session:
        (uuid,) = ask(session, "one")
        assert build_queue.startable(session, limit=None, older_than=timedelta(minutes=1)) == []
        session.execute(update(Job).values(queued_at=now() - timedelta(hours=1)))
        assert build_queue.startable(session, limit=None, older_than=timedelta(minutes=1)) == [uuid]


def test_a_namespace_without_settings_has_what_all_have(database: Database) -> None:
    with database.write() as session:
        ask(session, "one")
        share = build_queue.share_of(session, account(session, "one"))
        assert (share.max_running, share.priority) == (None, 0)
        assert session.query(Build).count() == 1
