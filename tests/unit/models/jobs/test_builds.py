"""Asking for builds, looking at them, cancelling them; what a worker is told of one."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select

from models import builds, jobs
from models.access import Identity, find_account, find_repository
from models.build_orders import record_logs, record_result, take_order, unarchived, withdraw_token
from models.builds import Source, paths_in_archive, start_build
from models.errors import Forbidden, Invalid, NotFound, ReadOnly, TooMany, Unauthenticated
from models.repositories import remove_repository
from models.session import Database, Session
from models.tables import Build, Garbage, Job, LogEntry, Repository, RepositoryToken, Robot
from models.tables.base import now
from tests.factories.world import make_world

URL = "https://example.com/archive.tar.gz"
AN_HOUR = timedelta(hours=1)


class World:
    """A transaction in which everybody is there."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.callers = make_world(session)
        found = find_repository(session, "acme", "app")
        assert found is not None
        self.repository: Repository = found

    def ask(
        self,
        *,
        by: str | Identity = "owner",
        source: Source = Source(URL, None, "/Dockerfile", "/"),  # noqa: B008 - immutable
        tags: list[str] | None = None,
        pull_robot: str | None = None,
        limit: int | None = None,
    ) -> Build:
        actor = self.callers[by] if isinstance(by, str) else by
        tags = ["latest"] if tags is None else tags
        return start_build(
            self.session, self.repository, source, tags=tags, pull_robot=pull_robot, actor=actor, limit=limit
        )


@pytest.fixture
def world(database: Database) -> Iterator[World]:
    with database.write() as session:
        yield World(session)


@pytest.mark.parametrize(
    ("dockerfile_path", "subdirectory", "context", "expected"),
    [
        (None, None, None, ("/Dockerfile", "/")),
        (None, "", None, ("/Dockerfile", "")),
        (None, "/sub", None, ("/sub/Dockerfile", "/sub")),
        (None, "/sub/", None, ("/sub/Dockerfile", "/sub/")),
        (None, None, "/c", ("/c/Dockerfile", "/c")),
        (None, "/sub", "/", ("/sub/Dockerfile", "/")),
        ("/sub/Dockerfile", None, "/sub", ("/sub/Dockerfile", "/sub")),
        ("/x/Dockerfile", "/x", None, ("/x/Dockerfile", "/x")),
        ("Dockerfile", None, None, ("Dockerfile", "")),
    ],
)
def test_dockerfile_and_context_stand_for_each_other_as_in_quay(
    dockerfile_path: str | None, subdirectory: str | None, context: str | None, expected: tuple[str, str]
) -> None:
    assert paths_in_archive(dockerfile_path, subdirectory, context) == expected


def test_a_build_waits_in_the_queue_and_is_in_the_action_log(world: World) -> None:
    build = world.ask(tags=["v1", "latest"])
    assert (build.job.state, build.job.queue, builds.phase_of(build)) == ("queued", "builds", "waiting")
    assert (build.display_name, build.manual_user, build.tags) == ("996ec73", "owner", ["v1", "latest"])
    entry = world.session.scalars(select(LogEntry).where(LogEntry.kind == "build_dockerfile")).one()
    assert entry.detail["build_id"] == build.uuid == build.job.uuid
    assert entry.detail["docker_tags"] == ["v1", "latest"]


def test_the_action_log_does_not_keep_what_opens_the_archive(world: World) -> None:
    world.ask(source=Source("https://example.com/a.tgz?key=secret", None, "/Dockerfile", "/"))
    entry = world.session.scalars(select(LogEntry).where(LogEntry.kind == "build_dockerfile")).one()
    assert entry.detail["archive_url"] == "https://example.com/a.tgz"


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (Source(None, None, "/Dockerfile", "/"), "file_id or archive_url required"),
        (Source("", "", "/Dockerfile", "/"), "file_id or archive_url required"),
        (Source("ftp://example.com/x.tgz", None, "/Dockerfile", "/"), "Must be http or https"),
        (Source("notaurl", None, "/Dockerfile", "/"), "Must be http or https"),
        (Source("http://", None, "/Dockerfile", "/"), "Must be a valid URI"),
        (Source("http://[::1", None, "/Dockerfile", "/"), "Must be a valid URI"),
        (Source(f"http://x/{'y' * 9000}", None, "/Dockerfile", "/"), "at most"),
        (Source("http://me:secret@example.com/", None, "/Dockerfile", "/"), "^archive_url: .* without a user name"),
        (Source("http://example.com:0/", None, "/Dockerfile", "/"), "^archive_url: expected a port"),
        (Source("http://example.com:99999/", None, "/Dockerfile", "/"), "^archive_url: expected a port"),
        (Source("http://example.com:x/", None, "/Dockerfile", "/"), "^archive_url: expected a port"),
        (Source("http://example.com/a b", None, "/Dockerfile", "/"), "^archive_url: .* without spaces"),
        (Source(" http://example.com/", None, "/Dockerfile", "/"), "^archive_url: .* without spaces"),
        (Source("http://example.com/a\\b", None, "/Dockerfile", "/"), "^archive_url: .* and backslashes"),
        (Source(None, "someid", "/Dockerfile", "/"), "File someid could not be found or is invalid"),
        (Source(URL, None, "/../Dockerfile", "/"), "dockerfile_path"),
        (Source(URL, None, "/Dockerfile", "a/../../b"), "context"),
        (Source(URL, None, "/" + "d" * 2000, "/"), "dockerfile_path"),
    ],
)
def test_a_source_that_cannot_be_is_refused(world: World, source: Source, told: str) -> None:
    with pytest.raises(Invalid, match=told):
        world.ask(source=source)


@pytest.mark.parametrize(
    "tags", [[], ["a", "a"], ["-a"], ["a:b"], ["ä"], [""], ["a" * 129], [str(n) for n in range(101)]]
)
def test_tags_that_no_image_can_have_are_refused(world: World, tags: list[str]) -> None:
    with pytest.raises(Invalid, match="docker_tags"):
        world.ask(tags=tags)


def test_a_pull_robot_is_for_those_who_administer_its_namespace(world: World) -> None:
    robot = world.ask(pull_robot="acme+robot").pull_robot
    assert robot is not None
    assert robot.name == "acme+robot"
    with pytest.raises(NotFound):
        world.ask(pull_robot="acme+nosuch")
    for name in ("acme+robot", "acme+nosuch", "nosuch+robot", "notarobot", "+", "owner+robot"):
        with pytest.raises(Forbidden):
            world.ask(by="writer", pull_robot=name)


def test_a_token_without_the_scope_cannot_lend_a_robot(world: World) -> None:
    owner = world.callers["owner"]
    narrow = Identity(kind="user", account_id=owner.account_id, name="owner", scopes=frozenset({"repo:write"}))
    with pytest.raises(Forbidden):
        world.ask(by=narrow, pull_robot="acme+robot")
    assert world.ask(by=narrow).manual_user == "owner"


def test_nobody_lends_no_robot(world: World) -> None:
    with pytest.raises(Unauthenticated):
        world.ask(by="anonymous", pull_robot="acme+robot")


def test_a_namespace_has_only_so_many_builds_at_once(world: World) -> None:
    first = world.ask(limit=2)
    world.ask(limit=2)
    with pytest.raises(TooMany, match="Maximum queued build rate exceeded"):
        world.ask(limit=2)
    builds.cancel_build(world.session, first, actor=world.callers["owner"])
    world.ask(limit=2)


def test_a_read_only_repository_is_not_built_into(world: World) -> None:
    world.repository.state = "READ_ONLY"
    with pytest.raises(ReadOnly):
        world.ask()


def test_builds_are_listed_newest_first_and_of_their_repository_only(world: World) -> None:
    made = [world.ask() for _ in range(3)]
    other = find_repository(world.session, "acme", "public")
    assert other is not None
    listed = builds.list_builds(world.session, world.repository, limit=2)
    assert [build.uuid for build in listed] == [made[2].uuid, made[1].uuid]
    assert builds.list_builds(world.session, world.repository, limit=9, since=now() + AN_HOUR) == []
    assert len(builds.list_builds(world.session, world.repository, limit=9, since=now() - AN_HOUR)) == 3
    assert builds.list_builds(world.session, other, limit=9) == []
    with pytest.raises(NotFound):
        builds.get_build(world.session, other, made[0].uuid)


@pytest.mark.parametrize("phase", sorted(builds.CANCELLABLE - {"waiting"}))
def test_a_running_build_is_cancelled_for_those_who_look_at_once(world: World, phase: str) -> None:
    build = world.ask()
    lease = jobs.claim(world.session, build.uuid, "a worker")
    assert lease is not None
    jobs.set_phase(world.session, lease, phase)
    builds.cancel_build(world.session, build, actor=world.callers["owner"])
    assert (build.job.state, build.job.phase, builds.phase_of(build)) == ("running", phase, "cancelled")
    entry = world.session.scalars(select(LogEntry).where(LogEntry.kind == "cancel_build")).one()
    assert entry.detail["build_id"] == build.uuid
    with pytest.raises(Invalid, match="Build is currently running or has finished"):
        builds.cancel_build(world.session, build, actor=world.callers["owner"])


def test_a_build_that_pushes_is_not_cancelled(world: World) -> None:
    build = world.ask()
    lease = jobs.claim(world.session, build.uuid, "a worker")
    assert lease is not None
    jobs.set_phase(world.session, lease, "pushing")
    with pytest.raises(Invalid):
        builds.cancel_build(world.session, build, actor=world.callers["owner"])
    assert builds.phase_of(build) == "pushing"


def test_a_worker_gets_a_token_of_the_repository_until_the_build_ends(world: World) -> None:
    build = world.ask(pull_robot="acme+robot")
    world.session.flush()
    take_order(world.session, build.uuid, lifetime=AN_HOUR)
    order = take_order(world.session, build.uuid, lifetime=AN_HOUR)
    robot = find_account(world.session, "acme+robot")
    assert order is not None
    assert isinstance(robot, Robot)
    assert robot.encrypted_token is not None
    assert (order.repository, order.tags, order.own.username) == ("acme/app", ("latest",), "$token")
    assert order.robot is not None
    assert order.robot.password == world.session.vault.decrypt(robot.encrypted_token)
    assert order.own.password not in repr(order)
    token = world.session.scalars(select(RepositoryToken)).one()
    assert token.token_hash == world.session.vault.fingerprint(order.own.password)
    assert (token.role, token.repository_id) == ("write", world.repository.id)
    assert token.expires_at is not None
    withdraw_token(world.session, build.uuid)
    assert world.session.scalars(select(RepositoryToken)).all() == []


def test_there_is_no_order_for_a_build_whose_repository_is_gone(world: World) -> None:
    assert take_order(world.session, "no such build", lifetime=AN_HOUR) is None


def test_builds_go_with_their_repository_and_their_logs_too(world: World) -> None:
    finished, running, waiting = world.ask(), world.ask(), world.ask()
    lease = jobs.claim(world.session, finished.uuid, "a worker")
    assert lease is not None
    jobs.finish(world.session, lease, "success", phase="complete")
    record_logs(world.session, finished.uuid, "logs/builds/finished.jsonl.gz", 3)
    assert jobs.claim(world.session, running.uuid, "a worker") is not None
    uuid, gone = running.uuid, {finished.uuid, waiting.uuid}
    remove_repository(world.session, world.repository, actor=world.callers["owner"])
    world.session.expire_all()
    left = world.session.scalars(select(Job)).all()
    assert [(job.uuid, job.cancel_requested) for job in left] == [(uuid, True)]
    assert gone.isdisjoint(job.uuid for job in left)
    assert world.session.scalars(select(Build)).all() == []
    assert [row.path for row in world.session.scalars(select(Garbage))] == ["logs/builds/finished.jsonl.gz"]


def test_logs_that_nobody_archived_are_found(world: World) -> None:
    build, never_begun = world.ask(), world.ask()
    lease = jobs.claim(world.session, build.uuid, "a worker")
    assert lease is not None
    record_result(world.session, build.uuid, status={"current_command": 1}, image_digest="sha256:x")
    jobs.finish(world.session, lease, "success", phase="complete")
    builds.cancel_build(world.session, never_begun, actor=world.callers["owner"])
    assert unarchived(world.session, since=now() - AN_HOUR, until=now()) == [build.uuid]
    assert unarchived(world.session, since=now() - AN_HOUR, until=now() - AN_HOUR / 2) == []
    record_logs(world.session, build.uuid, "logs/builds/x", 7)
    assert unarchived(world.session, since=now() - AN_HOUR, until=now()) == []
    world.session.refresh(build)
    world.session.refresh(build.job)
    assert (build.image_digest, build.status, build.job.log_lines) == ("sha256:x", {"current_command": 1}, 7)
