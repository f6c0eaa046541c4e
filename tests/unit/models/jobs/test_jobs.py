"""The life of a job, in particular where two processes want the same one."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from sqlalchemy import select, update

from models import jobs
from models.jobs import Lease
from models.session import Database
from models.tables import Job
from models.tables.base import now
from tests.factories.accounts import make_user

AN_HOUR = timedelta(hours=1)


def enqueue(database: Database, *, max_attempts: int = 3) -> str:
    with database.write() as session:
        return jobs.enqueue(session, kind="build", queue="builds", namespace=None, max_attempts=max_attempts).uuid


def claim(database: Database, uuid: str, owner: str = "a worker") -> Lease:
    with database.write() as session:
        lease = jobs.claim(session, uuid, owner)
    assert lease is not None
    return lease


def job(database: Database, uuid: str) -> Job:
    with database.read() as session:
        return session.scalars(select(Job).where(Job.uuid == uuid)).one()


def silence(database: Database, uuid: str) -> None:
    """Let the job's last sign of life be an hour old."""
    with database.write() as session:
        session.execute(update(Job).where(Job.uuid == uuid).values(heartbeat_at=now() - AN_HOUR))


def requeue_lost(database: Database) -> list[jobs.Lost]:
    with database.write() as session:
        return jobs.requeue_lost(session, timedelta(seconds=30))


def test_a_worker_is_woken_only_once_the_job_is_committed(database: Database, woken: list[tuple[str, str]]) -> None:
    with database.write() as session:
        uuid = jobs.enqueue(session, kind="build", queue="builds", namespace=None).uuid
        assert woken == []
    assert woken == [("builds", uuid)]


def test_one_of_many_workers_gets_the_job(database: Database) -> None:
    uuid = enqueue(database)

    def attempt(number: int) -> Lease | None:
        with database.write() as session:
            return jobs.claim(session, uuid, f"worker {number}")

    with ThreadPoolExecutor(8) as pool:
        leases = [lease for lease in pool.map(attempt, range(8)) if lease]
    assert len(leases) == 1
    assert (leases[0].attempt, job(database, uuid).state) == (1, "running")


def test_a_claimed_or_finished_job_is_not_claimed_again(database: Database) -> None:
    uuid = enqueue(database)
    lease = claim(database, uuid)
    with database.write() as session:
        assert jobs.claim(session, uuid, "another") is None
        assert jobs.finish(session, lease, "success", phase="complete") == "success"
    with database.write() as session:
        assert jobs.claim(session, uuid, "another") is None
    assert job(database, uuid).phase == "complete"


def test_a_worker_that_was_given_up_cannot_write_into_the_job(database: Database) -> None:
    uuid = enqueue(database)
    zombie = claim(database, uuid, "zombie")
    silence(database, uuid)
    assert [lost.outcome for lost in requeue_lost(database)] == ["queued"]
    heir = claim(database, uuid, "heir")
    with database.write() as session:
        assert not jobs.heartbeat(session, zombie)
        assert jobs.set_phase(session, zombie, "pushing") == "lost"
        assert jobs.finish(session, zombie, "success") is None
        assert not jobs.release(session, zombie)
        assert jobs.standing(session, zombie) == "lost"
        assert jobs.standing(session, heir) == "held"
    assert (job(database, uuid).owner, job(database, uuid).attempts) == ("heir", 2)


def test_the_same_worker_holds_only_its_latest_claim(database: Database) -> None:
    uuid = enqueue(database)
    first = claim(database, uuid)
    with database.write() as session:
        assert jobs.release(session, first)
    second = claim(database, uuid)
    with database.write() as session:
        assert jobs.finish(session, first, "error") is None
        assert jobs.finish(session, second, "error", error="why") == "error"
    assert job(database, uuid).error == "why"


def test_a_finished_job_changes_no_more(database: Database) -> None:
    uuid = enqueue(database)
    lease = claim(database, uuid)
    with database.write() as session:
        jobs.finish(session, lease, "error")
        assert jobs.set_phase(session, lease, "building") == "lost"
        assert jobs.finish(session, lease, "success") is None
    assert (job(database, uuid).phase, job(database, uuid).result) == ("error", "error")


def test_a_living_job_is_not_taken_away(database: Database) -> None:
    uuid = enqueue(database)
    lease = claim(database, uuid)
    silence(database, uuid)
    with database.write() as session:
        assert jobs.heartbeat(session, lease)
        assert not jobs.silent(session, timedelta(seconds=30))
    assert requeue_lost(database) == []


def test_a_lost_job_is_tried_three_times_and_then_given_up(database: Database, woken: list[tuple[str, str]]) -> None:
    uuid = enqueue(database)
    outcomes = []
    for number in range(3):
        claim(database, uuid, f"worker {number}")
        silence(database, uuid)
        outcomes += requeue_lost(database)
    assert [lost.outcome for lost in outcomes] == ["queued", "queued", "internalerror"]
    assert outcomes[-1].error is not None
    assert "3 times" in outcomes[-1].error
    ended = job(database, uuid)
    assert (ended.state, ended.phase, ended.error) == ("finished", "internalerror", outcomes[-1].error)
    assert woken == [("builds", uuid)] * 3


def test_a_job_of_a_dead_process_is_queued_again_at_once(database: Database) -> None:
    uuid = enqueue(database)
    claim(database, uuid, "host:1:x")
    with database.write() as session:
        assert jobs.owners(session) == {uuid: "host:1:x"}
        assert jobs.requeue_abandoned(session, uuid, "host:2:x") is None
        lost = jobs.requeue_abandoned(session, uuid, "host:1:x")
    assert lost is not None
    assert lost.outcome == "queued"
    assert job(database, uuid).state == "queued"


def test_a_lost_job_that_was_to_be_cancelled_is_not_tried_again(database: Database) -> None:
    uuid = enqueue(database)
    claim(database, uuid)
    with database.write() as session:
        assert jobs.request_cancel(session, session.scalars(select(Job)).one(), {"waiting"})
    silence(database, uuid)
    assert [lost.outcome for lost in requeue_lost(database)] == ["cancelled"]
    assert job(database, uuid).result == "cancelled"


def test_a_waiting_job_is_cancelled_at_once(database: Database) -> None:
    uuid = enqueue(database)
    with database.write() as session:
        assert jobs.request_cancel(session, session.scalars(select(Job)).one(), {"waiting"})
        assert not jobs.request_cancel(session, session.scalars(select(Job)).one(), {"waiting"})
    with database.write() as session:
        assert jobs.claim(session, uuid, "a worker") is None
    assert job(database, uuid).phase == "cancelled"


def test_a_running_job_is_cancelled_by_its_worker(database: Database) -> None:
    uuid = enqueue(database)
    lease = claim(database, uuid)
    with database.write() as session:
        jobs.set_phase(session, lease, "building")
        assert jobs.request_cancel(session, session.scalars(select(Job)).one(), {"building"})
        assert not jobs.request_cancel(session, session.scalars(select(Job)).one(), {"building"})
    with database.write() as session:
        assert jobs.standing(session, lease) == "cancelled"
        assert jobs.set_phase(session, lease, "pushing") == "cancelled"
        assert not jobs.release(session, lease)
        assert jobs.finish(session, lease, "error", error="too late") == "cancelled"
    assert (job(database, uuid).phase, job(database, uuid).error) == ("cancelled", None)


def test_it_is_too_late_to_cancel_in_other_phases(database: Database) -> None:
    uuid = enqueue(database)
    lease = claim(database, uuid)
    with database.write() as session:
        jobs.set_phase(session, lease, "pushing")
        assert not jobs.request_cancel(session, session.scalars(select(Job)).one(), {"building"})
    with database.write() as session:
        assert jobs.finish(session, lease, "success", phase="complete") == "success"


def test_a_job_put_back_waits_for_its_time(database: Database, woken: list[tuple[str, str]]) -> None:
    uuid = enqueue(database)
    with database.write() as session:
        assert jobs.due(session) == [("builds", uuid)]
        assert jobs.due(session, older_than=AN_HOUR) == []
    lease = claim(database, uuid)
    with database.write() as session:
        assert jobs.release(session, lease, delay=AN_HOUR)
    with database.write() as session:
        assert jobs.claim(session, uuid, "another") is None
        assert jobs.due(session) == []
    assert woken == [("builds", uuid)]


def test_a_job_is_open_until_it_has_ended(database: Database) -> None:
    uuid = enqueue(database)
    lease = claim(database, uuid)
    with database.write() as session:
        assert jobs.is_open(session, uuid)
        jobs.release(session, lease)
        assert jobs.is_open(session, uuid)
    lease = claim(database, uuid)
    with database.write() as session:
        jobs.finish(session, lease, "success")
        assert not jobs.is_open(session, uuid)
        assert not jobs.is_open(session, "no such job")


def test_a_refunded_attempt_does_not_count(database: Database, woken: list[tuple[str, str]]) -> None:
    uuid = enqueue(database, max_attempts=1)
    lease = claim(database, uuid)
    assert lease.is_last
    with database.write() as session:
        assert jobs.release(session, lease, refund=True)
    again = claim(database, uuid, "another")
    assert (again.attempt, again.is_last) == (1, True)
    assert woken == [("builds", uuid)] * 2


def test_the_queue_is_counted(database: Database) -> None:
    with database.write() as session:
        owner = make_user(session, "owner")
        first, *_ = (jobs.enqueue(session, kind="build", queue="builds", namespace=owner) for _ in range(3))
        jobs.claim(session, first.uuid, "a worker")
        assert jobs.count_open(session) == {("builds", "queued"): 2, ("builds", "running"): 1}
        assert jobs.open_jobs(session, owner, "build") == 3
        assert jobs.open_jobs(session, owner, "another kind") == 0
