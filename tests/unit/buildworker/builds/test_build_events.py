"""Builds tell how they go, in the transactions that make it so."""

from typing import Any

import pytest
from sqlalchemy import update

from buildworker import builds
from models import jobs
from models.access import find_repository
from models.builds import cancel_build, find_build
from models.session import Session
from models.tables import Job, Notification
from tests.factories.outbox import new_messages
from tests.unit.buildworker.builds.conftest import Workshop

EVENTS = ("build_queued", "build_start", "build_success", "build_failure", "build_cancelled")
KEYS = {"build_id", "build_name", "docker_tags", "trigger_id", "trigger_kind", "trigger_metadata"}


def listen(session: Session) -> None:
    """Have somebody want to hear of every event of builds."""
    repository = find_repository(session, "acme", "app")
    for event in EVENTS:
        config: dict[str, Any] = {"event_config": {}, "encrypted_config": ""}
        session.add(Notification(repository=repository, event=event, method="slack", **config))


def told(workshop: Workshop) -> list[dict[str, Any]]:
    """What was announced since the last time."""
    return new_messages(workshop.runtime.database)


@pytest.fixture
def heard(workshop: Workshop) -> Workshop:
    with workshop.runtime.database.write() as session:
        listen(session)
    return workshop


def test_a_build_that_succeeds_tells_of_its_image(heard: Workshop) -> None:
    uuid = heard.ask("FROM base\n")
    heard.run(uuid)
    queued, started, ended = told(heard)
    assert [each["event"] for each in (queued, started, ended)] == ["build_queued", "build_start", "build_success"]
    assert queued["data"].keys() == KEYS | {"is_manual", "manual_user"}
    assert (queued["data"]["is_manual"], queued["data"]["manual_user"], queued["performer"]) == (True, "owner", "owner")
    assert (queued["data"]["build_id"], queued["subpage"]) == (uuid, f"/build/{uuid}")
    assert started["data"].keys() == KEYS
    assert ended["data"].keys() == KEYS | {"image_id", "manifest_digests"}
    assert ended["data"]["manifest_digests"] == [heard.look(uuid).image_digest]


def test_a_build_that_fails_tells_why(heard: Workshop) -> None:
    heard.run(heard.ask(None))
    ended = told(heard)[-1]
    assert ended["event"] == "build_failure"
    assert ended["data"].keys() == KEYS | {"error_message"}
    assert "Dockerfile" in ended["data"]["error_message"]


def test_a_build_that_is_cancelled_before_it_begins_is_told_by_who_did_it(heard: Workshop) -> None:
    uuid = heard.ask("FROM base\n")
    with heard.runtime.database.write() as session:
        build = find_build(session, uuid)
        assert build is not None
        cancel_build(session, build, actor=heard.callers["repo_admin"])
    ended = told(heard)[-1]
    assert (ended["event"], ended["performer"]) == ("build_cancelled", "repo-admin")
    assert ended["data"].keys() == KEYS


def test_a_build_whose_worker_was_lost_for_good_is_told_once(heard: Workshop) -> None:
    uuid = heard.ask("FROM base\n")
    heard.claim(uuid, "dead")
    with heard.runtime.database.write() as session:
        session.execute(update(Job).values(attempts=3))
        lost = jobs.requeue_abandoned(session, uuid, "dead")
        assert lost is not None
        builds.record_lost(session, heard.runtime.settings, lost)
    builds.conclude_lost(heard.runtime, lost)
    assert [each["event"] for each in told(heard)] == ["build_queued", "build_failure"]


def test_where_nobody_listens_nothing_is_written(workshop: Workshop) -> None:
    workshop.run(workshop.ask("FROM base\n"))
    assert told(workshop) == []
