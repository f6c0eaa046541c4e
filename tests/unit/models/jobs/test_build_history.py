"""Which builds are forgotten, and which never are."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from models import jobs
from models.access import find_repository
from models.build_history import SLICE, forget_builds
from models.build_queue import claim_next
from models.builds import cancel_build, find_build
from models.session import Database, Session
from models.tables import Build, Garbage, Job, Manifest
from models.tables.base import now
from tests.factories.accounts import identity_of, make_user
from tests.unit.models.jobs.test_build_queue import ask

YEAR = timedelta(days=365)


def end(session: Session, uuids: list[str], **values: Any) -> None:
    """Let the builds have ended a year ago, their logs archived."""
    ended = {"state": "finished", "result": "success", "finished_at": now() - YEAR, "logs_path": Job.uuid} | values
    session.execute(update(Job).where(Job.uuid.in_(uuids)).values(ended))


def forget(database: Database, newest: int = 0, limit: int = SLICE) -> int:
    """Forget all that may be; how many."""
    total, position = 0, 0
    while True:
        with database.write() as session:
            count, further = forget_builds(
                session, ended_before=now() - timedelta(days=30), newest=newest, after=position, limit=limit
            )
        total += count
        if further is None:
            return total
        position = further


def left(database: Database) -> set[str]:
    with database.read() as session:
        assert session.scalars(select(Job.uuid).where(Job.uuid.not_in(select(Build.uuid)))).all() == []
        return set(session.scalars(select(Build.uuid)))


def test_what_ended_long_ago_goes_and_its_log_is_left_to_collection(database: Database) -> None:
    with database.write() as session:
        old, unlogged, fresh = ask(session, "ann", 3)
        end(session, [old])
        end(session, [unlogged], logs_path=None)
        end(session, [fresh], finished_at=now() - timedelta(days=29))
    assert forget(database) == 2
    assert left(database) == {fresh}
    with database.read() as session:
        assert session.scalars(select(Garbage.path)).all() == [old]
    assert forget(database) == 0


def test_the_newest_of_each_repository_stay(database: Database) -> None:
    with database.write() as session:
        many, one = ask(session, "ann", 5), ask(session, "bob")
        end(session, many + one)
    assert forget(database, newest=2) == 3
    assert left(database) == {*many[3:], *one}
    assert forget(database, newest=1) == 1
    assert left(database) == {many[4], *one}


@pytest.mark.parametrize("state", ["queued", "running", "cancelled"])
def test_what_has_not_ended_stays_however_old_it_is(database: Database, state: str) -> None:
    with database.write() as session:
        (uuid,) = ask(session, "ann")
        session.execute(update(Job).values(created_at=now() - YEAR, queued_at=now() - YEAR))
        if state == "running":
            assert claim_next(session, "a worker", limit=None)
        if state == "cancelled":
            build = find_build(session, uuid)
            assert build is not None
            cancel_build(session, build, actor=identity_of(make_user(session, "root")))
    assert forget(database) == 0
    assert left(database) == {uuid}  # what was cancelled has ended just now
    with database.write() as session:
        session.execute(update(Job).where(Job.finished_at.is_not(None)).values(finished_at=now() - YEAR))
    assert forget(database) == (1 if state == "cancelled" else 0)


def test_the_build_of_an_image_stays_as_long_as_the_image(database: Database) -> None:
    with database.write() as session:
        made, unmade = ask(session, "ann", 2)
        end(session, [made, unmade])
        repository = find_repository(session, "ann", "app")
        assert repository is not None
        digest = "sha256:" + "1" * 64
        facts = {"digest": digest, "media_type": "x", "content": b"", "size": 0, "image_size": 0, "is_index": False}
        session.add(Manifest(repository_id=repository.id, **facts))
        session.execute(update(Build).where(Build.uuid == made).values(image_digest=digest))
        session.execute(update(Build).where(Build.uuid == unmade).values(image_digest="sha256:" + "2" * 64))
    assert forget(database) == 1
    assert left(database) == {made}
    with database.write() as session:
        session.execute(update(Manifest).values(deleted_at=now()))
    assert forget(database) == 1


def test_much_is_done_in_slices(database: Database) -> None:
    with database.write() as session:
        uuids = ask(session, "ann", 7)
        end(session, uuids[:3] + uuids[4:])
        jobs.enqueue(session, kind="another", queue="others", namespace=None)
        session.execute(update(Job).where(Job.kind == "another").values(state="finished", finished_at=now() - YEAR))
        count, further = forget_builds(session, ended_before=now(), newest=0, limit=2)
        assert (count, further is None) == (2, False)
    assert forget(database, limit=2) == 4
    with database.read() as session:
        assert set(session.scalars(select(Job.uuid).where(Job.kind != "another"))) == {uuids[3]}
