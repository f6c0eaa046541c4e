"""What becomes of a build, whatever happens to it."""

import importlib
import os
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update

from buildworker import attempt, builds, entry, lookout, owner
from buildworker.builder import Credentials
from models import jobs
from models.access import find_repository
from models.builds import cancel_build, find_build
from models.queue import ENTRY_POINT
from models.tables import Job, RepositoryToken
from models.tables.base import now
from tests.unit.buildworker.builds.conftest import Workshop

TO_THE_END = ["build-scheduled", "unpacking", "pulling", "building", "pushing", "complete"]


def in_background(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_every_tag_is_pushed_with_a_token_that_dies_with_the_build(workshop: Workshop) -> None:
    uuid = workshop.ask("FROM base\nRUN echo hello\n", tags=["latest", "v1"])
    build = workshop.run(uuid)
    assert (build.job.state, build.job.result, build.job.phase) == ("finished", "success", "complete")
    names = {f"registry.internal:5000/acme/app:{tag}" for tag in ("latest", "v1")}
    assert workshop.engine.pushed.keys() == names
    credentials = set(workshop.engine.pushed.values())
    assert {each.username for each in credentials if each} == {"$token"}
    assert workshop.rows(RepositoryToken) == []
    assert build.image_digest is not None
    assert build.status == {"total_commands": 2, "current_command": 2, "pull_completion": 1.0, "push_completion": 1.0}


def test_nothing_is_left_of_it_but_its_log(workshop: Workshop) -> None:
    uuid = workshop.ask("FROM base\nRUN echo hello\n")
    workshop.run(uuid)
    assert workshop.engine.images == {}
    assert list(workshop.runtime.scratch.iterdir()) == []
    assert workshop.phases(uuid) == TO_THE_END
    log = workshop.log(uuid)
    assert {"message": "Step 2/2 : RUN echo hello", "type": "command"} in log
    assert {"message": "hello"} in log
    assert all(set(entry["data"]) == {"datetime"} for entry in log if entry.get("type") == "phase")
    assert workshop.look(uuid).job.log_lines == len(log)


@pytest.mark.parametrize(
    ("dockerfile", "told"),
    [
        ("FROM base\nRUN exit 3\n", "non-zero code: 3"),
        (None, "Dockerfile '/Dockerfile' not found in the archive"),
    ],
)
def test_what_the_user_can_mend_ends_the_build(workshop: Workshop, dockerfile: str | None, told: str) -> None:
    uuid = workshop.ask(dockerfile)
    build = workshop.run(uuid)
    assert (build.job.result, build.job.phase, build.job.failure) == ("error", "error", "user")
    assert told in (build.job.error or "")
    assert workshop.phases(uuid)[-1] == "error"
    assert [entry["message"] for entry in workshop.log(uuid) if entry.get("type") == "error"] == [build.job.error]


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/a.tgz", "http://nosuch.invalid/a.tgz", "http://10.0.0.1/a.tgz"])
def test_an_archive_that_cannot_be_had_ends_the_build(workshop: Workshop, url: str) -> None:
    build = workshop.run(workshop.ask(None, url=url))
    assert (build.job.phase, (build.job.error or "")[:11]) == ("error", "archive_url")


@pytest.mark.parametrize("settings", [{"BUILD_MAX_SECONDS": 1}])
def test_a_build_that_takes_too_long_ends(workshop: Workshop) -> None:
    build = workshop.run(workshop.ask("FROM base\nRUN wait\n"))
    assert (build.job.phase, build.job.failure, build.job.error) == (
        "error",
        "limit",
        "The build took longer than the 1 seconds allowed (BUILD_MAX_SECONDS).",
    )


def test_an_engine_that_is_away_is_tried_again_after_a_pause(workshop: Workshop) -> None:
    workshop.engine.away = True
    uuid = workshop.ask("FROM base\n")
    build = workshop.run(uuid)
    assert (build.job.state, build.job.phase, build.job.error) == ("queued", "waiting", None)
    assert build.job.queued_at > now()
    assert workshop.rows(RepositoryToken) == []


def hurry(workshop: Workshop) -> None:
    """Let no job wait for its next attempt."""
    with workshop.runtime.database.write() as session:
        session.execute(update(Job).values(queued_at=now()))


def test_an_engine_that_stays_away_ends_the_build_with_what_to_do(workshop: Workshop) -> None:
    workshop.engine.away = True
    uuid = workshop.ask("FROM base\n")
    for _ in range(3):
        hurry(workshop)
        build = workshop.run(uuid)
    assert (build.job.result, build.job.attempts) == ("internalerror", 3)
    assert build.job.error == "no Docker engine at memory: start it"


def test_an_engine_that_comes_back_finishes_the_build(workshop: Workshop) -> None:
    workshop.engine.away = True
    uuid = workshop.ask("FROM base\n")
    workshop.run(uuid)
    workshop.engine.away = False
    hurry(workshop)
    assert workshop.run(uuid).job.phase == "complete"
    assert {"message": "Attempt 2 of 3."} in workshop.log(uuid)


def test_a_mistake_of_ours_is_not_told_to_the_user(workshop: Workshop) -> None:
    uuid = workshop.ask("FROM base\nRUN crash\n")
    for _ in range(3):
        hurry(workshop)
        build = workshop.run(uuid)
    assert build.job.result == "internalerror"
    assert "Something unexpected" in (build.job.error or "")


def test_builds_that_push_the_same_tag_at_once_all_end_well(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "COLLISION_PAUSE_S", 0.001)
    workshop.engine.collisions = 3
    job = workshop.run(workshop.ask("FROM base\n")).job
    assert (job.phase, job.attempts) == ("complete", 1)


def test_a_push_is_tried_three_times(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt, "PUSH_PAUSE_S", 0.01)
    workshop.engine.refusals = 1
    assert workshop.run(workshop.ask("FROM base\n")).job.phase == "complete"
    workshop.engine.refusals = 3
    uuid = workshop.ask("FROM base\n")
    assert workshop.run(uuid).job.state == "queued"
    assert workshop.engine.images == {}
    workshop.engine.refusals = 99
    for _ in range(2):
        hurry(workshop)
        build = workshop.run(uuid)
    assert (build.job.phase, build.job.attempts, build.job.failure) == ("internalerror", 3, "infrastructure")
    assert "the registry refuses it" in (build.job.error or "")


def cancel(workshop: Workshop, uuid: str) -> None:
    with workshop.runtime.database.write() as session:
        build = find_build(session, uuid)
        assert build is not None
        cancel_build(session, build, actor=workshop.callers["owner"])


def test_a_cancel_takes_effect_within_two_seconds(workshop: Workshop) -> None:
    uuid = workshop.ask("FROM base\nRUN wait\n")
    running = in_background(lambda: workshop.run(uuid))
    assert workshop.engine.waiting.wait(10)
    begun = time.monotonic()
    cancel(workshop, uuid)
    running.join()
    assert time.monotonic() - begun < 2
    build = workshop.look(uuid)
    assert (build.job.result, build.job.phase, build.job.error) == ("cancelled", "cancelled", None)
    assert workshop.phases(uuid)[-1] == "cancelled"
    assert workshop.engine.pushed == {}


def test_a_worker_that_is_stopped_gives_the_build_back_uncounted(workshop: Workshop) -> None:
    uuid = workshop.ask("FROM base\nRUN wait\n")
    running = in_background(lambda: workshop.run(uuid))
    assert workshop.engine.waiting.wait(10)
    workshop.stop.set()
    running.join()
    build = workshop.look(uuid)
    assert (build.job.state, build.job.phase, build.job.attempts) == ("queued", "waiting", 0)
    assert workshop.woken == [("builds", uuid)] * 2
    assert workshop.rows(RepositoryToken) == []


def test_a_worker_that_lost_its_build_writes_nothing_more(workshop: Workshop) -> None:
    uuid = workshop.ask("FROM base\nRUN wait\n")
    running = in_background(lambda: workshop.run(uuid))
    assert workshop.engine.waiting.wait(10)
    with workshop.runtime.database.write() as session:
        session.execute(update(Job).values(owner="another worker"))
    running.join()
    build = workshop.look(uuid)
    assert (build.job.state, build.job.owner, build.job.logs_path) == ("running", "another worker", None)


def test_a_running_build_gives_signs_of_life(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookout, "LOOK_EVERY_S", 0.05)
    uuid = workshop.ask("FROM base\nRUN wait\n")
    running = in_background(lambda: workshop.run(uuid))
    assert workshop.engine.waiting.wait(10)
    first = workshop.look(uuid).job.heartbeat_at
    end = time.monotonic() + 5
    while (second := workshop.look(uuid).job.heartbeat_at) == first and time.monotonic() < end:
        time.sleep(0.05)
    workshop.engine.gate.set()
    running.join()
    assert first is not None
    assert second is not None
    assert second > first


def test_passwords_do_not_get_into_the_log(workshop: Workshop) -> None:
    uuid = workshop.ask("FROM base\nRUN leak\n", pull_robot="acme+robot")
    workshop.run(uuid)
    told = [entry["message"] for entry in workshop.log(uuid) if "the password is" in entry["message"]]
    assert set(told) == {"the password is ****!"}


@pytest.mark.parametrize("settings", [{"BUILD_MAX_LOG_BYTES": 600}])
def test_a_log_that_grows_too_long_tells_so_and_how_it_ended(workshop: Workshop) -> None:
    uuid = workshop.ask("FROM base\n" + "RUN echo " + "x" * 500 + "\nRUN echo more\nRUN exit 1\n")
    workshop.run(uuid)
    told = [entry["message"] for entry in workshop.log(uuid)]
    assert sum("BUILD_MAX_LOG_BYTES" in message for message in told) == 1
    assert "more" not in told
    assert told[-1] == "error"


def robot_password(workshop: Workshop) -> str:
    with workshop.runtime.database.read() as session:
        uuid = workshop.ask("FROM base\n", pull_robot="acme+robot")
        build = find_build(session, uuid)
        assert build is not None
        assert build.pull_robot is not None
        assert build.pull_robot.encrypted_token is not None
        return session.vault.decrypt(build.pull_robot.encrypted_token)


@pytest.mark.parametrize("registry", ["registry.example.com", "registry.internal:5000"])
def test_the_pull_robot_opens_private_bases_of_this_registry(workshop: Workshop, registry: str) -> None:
    base = f"{registry}/acme/base:1"
    workshop.engine.private = {base: Credentials("acme+robot", robot_password(workshop))}
    dockerfile = f"FROM other.example.com/base AS tools\nFROM {base}\nCOPY --from=tools /a /a\n"
    assert workshop.run(workshop.ask(dockerfile, pull_robot="acme+robot")).job.phase == "complete"
    assert workshop.engine.pulled["other.example.com/base"] is None
    build = workshop.run(workshop.ask(dockerfile))
    assert build.job.phase == "error"
    assert "pull_robot" in (build.job.error or "")
    own = workshop.engine.pulled.get(base)
    assert own is not None
    assert own.username == "acme+robot"


def test_a_repository_that_became_read_only_refuses_the_image(workshop: Workshop) -> None:
    uuid = workshop.ask("FROM base\n")
    with workshop.runtime.database.write() as session:
        repository = find_repository(session, "acme", "app")
        assert repository is not None
        repository.state = "READ_ONLY"
    build = workshop.run(uuid)
    assert (build.job.phase, build.job.error) == ("error", "The repository acme/app is read-only.")


def test_a_build_of_a_removed_repository_is_cancelled(workshop: Workshop) -> None:
    uuid = workshop.ask("FROM base\n")
    with workshop.runtime.database.write() as session:
        session.delete(find_repository(session, "acme", "app"))
    lease = workshop.claim(uuid)
    builds.run(workshop.runtime, lease, workshop.stop, engine=workshop.engine, attach=workshop.attach)
    (job,) = workshop.rows(Job)
    assert (job.state, job.result, job.error) == ("finished", "cancelled", "The repository was removed.")


def test_wake_ups_name_what_there_is() -> None:
    module, _, name = ENTRY_POINT.rpartition(".")
    assert getattr(importlib.import_module(module), name) is entry.run


def test_an_owner_is_dead_only_if_its_process_on_this_machine_is() -> None:
    mine = owner.name_of(os.getpid(), "worker")
    assert not owner.is_dead(mine)
    gone = subprocess.Popen(["true"])
    gone.wait()
    assert owner.is_dead(owner.name_of(gone.pid, "worker"))
    assert not owner.is_dead(f"another/machine:{gone.pid}:worker")
    assert not owner.is_dead("")


def test_a_build_that_lost_its_worker_for_good_is_told_so(workshop: Workshop) -> None:
    uuid = workshop.ask("FROM base\n")
    workshop.claim(uuid, "dead")
    with workshop.runtime.database.write() as session:
        session.execute(update(Job).values(attempts=3))
        lost: Any = jobs.requeue_abandoned(session, uuid, "dead")
    assert lost.outcome == "internalerror"
    builds.conclude_lost(workshop.runtime, lost)
    job = workshop.look(uuid).job
    assert (job.error, job.failure) == (lost.error, "infrastructure")
