"""What a build is told beyond its Dockerfile, on its way to the engine."""

import pytest

from buildworker.builder import Credentials
from models.access import find_repository
from models.build_options import BuildOptions
from models.registry_credentials import put_credential
from tests.factories.engine import MemoryEngine
from tests.unit.buildworker.builds.conftest import Workshop


def test_the_engine_gets_all_that_was_asked_for(workshop: Workshop) -> None:
    workshop.engine.kind = "buildkit"
    options = BuildOptions({"WHO": "Ada"}, {"a": "b"}, {"key": "hunter2"}, "two", "linux/amd64")
    build = workshop.run(
        workshop.ask("FROM base AS two\nRUN --mount=type=secret,id=key echo x\n", options=options, engine="buildkit")
    )
    assert build.job.result == "success", build.job.error
    [asked] = workshop.engine.asked
    assert (asked.args, asked.secrets, asked.target) == ({"WHO": "Ada"}, {"key": "hunter2"}, "two")
    assert asked.platform == "linux/amd64"
    assert asked.scope
    assert build.encrypted_secrets is None


def test_a_repository_has_one_place_for_its_cache_and_without_cache_none(workshop: Workshop) -> None:
    for options in (BuildOptions(), BuildOptions(args={"A": "1"}), BuildOptions(cache=False)):
        workshop.run(workshop.ask("FROM scratch\n", options=options))
    first, second, third = workshop.engine.asked
    assert first.scope == second.scope
    assert third.scope is None


def test_steps_are_taken_with_the_builds_own_token_whoever_pulls_base_images(workshop: Workshop) -> None:
    workshop.run(workshop.ask("FROM scratch\n", pull_robot="acme+robot"))
    [asked] = workshop.engine.asked
    assert {login.username for login in asked.registries.values()} == {"acme+robot"}
    assert asked.cache_login is not None
    assert asked.cache_login.username == "$token"


def test_an_argument_chooses_the_base_image(workshop: Workshop) -> None:
    workshop.run(
        workshop.ask("ARG BASE=one\nFROM $BASE\nFROM two\n", options=BuildOptions({"BASE": "other"}, target="0"))
    )
    assert list(workshop.engine.pulled) == ["other"]


def test_what_the_engine_cannot_do_fails_with_the_reason(workshop: Workshop) -> None:
    mounts = workshop.run(workshop.ask("FROM scratch\nRUN --network=none --mount=type=cache,target=/c true\n"))
    assert (mounts.job.result, mounts.job.attempts) == ("error", 1)
    assert "RUN --mount: images are built by docker here, and only buildkit or buildah" in (mounts.job.error or "")
    platform = workshop.run(workshop.ask("FROM scratch\n", options=BuildOptions(platform="linux/arm64/v8")))
    assert platform.job.result == "error"
    assert platform.job.error == "platform: the engine builds for linux/amd64, not for linux/arm64/v8"
    secrets = workshop.run(
        workshop.ask("FROM scratch\n", options=BuildOptions(secrets={"k": "hunter2"}), engine="buildkit")
    )
    assert secrets.job.result == "error"
    assert "secrets: images are built by docker here" in (secrets.job.error or "")
    assert secrets.encrypted_secrets is None


def test_secrets_are_masked_in_the_log(workshop: Workshop) -> None:
    workshop.engine.kind = "buildkit"
    options = BuildOptions(secrets={"key": "hunter2hunter2"})
    uuid = workshop.ask("FROM scratch\nRUN echo it is hunter2hunter2!\n", options=options, engine="buildkit")
    workshop.run(uuid)
    log = str(workshop.log(uuid))
    assert "it is ****!" in log
    assert "hunter2" not in log


@pytest.mark.parametrize("settings", [{"OUTBOUND_ALLOWED_PRIVATE_HOSTS": ["127.0.0.1"]}])
def test_a_base_image_from_elsewhere_is_pulled_with_the_login_that_is_kept(workshop: Workshop) -> None:
    private = {"127.0.0.1:5001/x/base": Credentials("ann", "hunter2hunter2")}
    workshop.engine = MemoryEngine(private=private)
    uuid = workshop.ask("FROM 127.0.0.1:5001/x/base\nRUN leak\n")
    keep(workshop, "127.0.0.1:5001", "ann", "hunter2hunter2")
    build = workshop.run(uuid)
    assert build.job.result == "success", build.job.error
    assert "hunter2" not in str(workshop.log(uuid))
    wrong = workshop.ask("FROM 127.0.0.1:5001/x/base\n")
    keep(workshop, "127.0.0.1:5001", "ann", "wrong")
    assert "see that the login kept for 127.0.0.1:5001" in (workshop.run(wrong).job.error or "")


def test_a_login_goes_nowhere_that_requests_may_not_go(workshop: Workshop) -> None:
    workshop.engine = MemoryEngine(private={"10.0.0.1/x/base": Credentials("ann", "hunter2hunter2")})
    uuid = workshop.ask("FROM 10.0.0.1/x/base\n")
    keep(workshop, "10.0.0.1", "ann", "hunter2hunter2")
    build = workshop.run(uuid)
    assert build.job.result == "error"
    assert "Not used: login at 10.0.0.1: 10.0.0.1 is a private address" in str(workshop.log(uuid))


def keep(workshop: Workshop, registry: str, username: str, password: str) -> None:
    with workshop.runtime.database.write() as session:
        app = find_repository(session, "acme", "app")
        assert app is not None
        owner = workshop.callers["owner"]
        put_credential(session, app.namespace, app, registry, username=username, password=password, own=[], actor=owner)
