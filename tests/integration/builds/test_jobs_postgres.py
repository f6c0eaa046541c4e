"""Races for a job on PostgreSQL, whose transactions really run at the same time."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from models import build_queue, jobs
from models.access import Identity, find_repository
from models.builds import Source, start_build
from models.errors import TooMany
from models.jobs import Lease
from models.session import Database, Session
from models.tables import Account, Base, Job
from models.vault import Vault
from tests.factories.world import make_world


@pytest.fixture
def database(fresh_postgres_url: str) -> Iterator[Database]:
    database = Database(fresh_postgres_url, Vault(["a key that is long enough for a test"]))
    Base.metadata.create_all(database.engine)
    yield database
    database.dispose()


def at_once(database: Database, works: Sequence[Callable[[Session], Any]]) -> list[Any]:
    def run(work: Callable[[Session], Any]) -> Any:
        with database.write() as session:
            return work(session)

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def enqueue(database: Database) -> str:
    with database.write() as session:
        return jobs.enqueue(session, kind="build", queue="builds", namespace=None).uuid


def claim(database: Database, uuid: str) -> Lease:
    with database.write() as session:
        lease = jobs.claim(session, uuid, "a worker")
    assert lease is not None
    return lease


def test_one_of_many_workers_gets_the_job(database: Database) -> None:
    for _ in range(5):
        uuid = enqueue(database)
        leases = at_once(database, [partial(jobs.claim, uuid=uuid, owner=f"worker {number}") for number in range(8)])
        assert sum(lease is not None for lease in leases) == 1


def test_a_namespace_never_has_more_running_than_it_may(database: Database) -> None:
    with database.write() as session:
        make_world(session)
        owner = session.scalars(select(Account).where(Account.name == "owner")).one()
        for _ in range(8):
            jobs.enqueue(session, kind="build", queue="builds", namespace=owner)
    claims = [partial(build_queue.claim_next, owner=f"worker {number}", limit=3) for number in range(8)]
    taken = [lease.uuid for lease in at_once(database, claims) if lease]
    assert len(taken) == len(set(taken)) == 3


def test_a_build_is_either_cancelled_or_goes_on_to_push(database: Database) -> None:
    for _ in range(10):
        uuid = enqueue(database)
        lease = claim(database, uuid)
        with database.write() as session:
            jobs.set_phase(session, lease, "building")

        def cancel(session: Session, uuid: str = uuid) -> bool:
            job = session.scalars(select(Job).where(Job.uuid == uuid)).one()
            return jobs.request_cancel(session, job, {"building"})

        def push(session: Session, lease: Lease = lease) -> jobs.Standing:
            return jobs.set_phase(session, lease, "pushing")

        cancelled, standing = at_once(database, [cancel, push])
        assert (cancelled, standing) in {(True, "cancelled"), (False, "held")}


def test_a_namespace_does_not_get_more_than_its_last_place(database: Database) -> None:
    with database.write() as session:
        make_world(session)
        owner = session.scalars(select(Account).where(Account.name == "owner")).one()
    actor = Identity(kind="user", account_id=owner.id, name="owner")

    def ask(session: Session) -> bool:
        repository = find_repository(session, "acme", "app")
        assert repository is not None
        source = Source("https://example.com/a.tgz", None, "/Dockerfile", "/")
        try:
            start_build(session, repository, source, tags=["latest"], pull_robot=None, actor=actor, limit=3)
        except TooMany:
            return False
        return True

    assert sum(at_once(database, [ask] * 8)) == 3
