import base64
import hashlib
import json
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from buildworker.builder import BuildFailed, Credentials, Options, PullFailed, PushFailed
from buildworker.engines.classic import DockerEngine
from buildworker.progress import Progress
from buildworker.watch import Cancelled
from models.errors import Conflict
from tests.e2e.engine.conftest import Project
from tests.services.docker_engine import DockerEngine as RealEngine
from tests.services.private_registry import READER

Images = Callable[[], set[str]]


def ignore(_: Progress) -> None: ...


@pytest.fixture
def pushed(project: Project, private_registry: str) -> str:
    """The name of an image that is in the private registry and not on the engine."""
    image = project.build('FROM base\nRUN head -c 3000000 /dev/urandom > /random\nCMD ["true"]\n')
    repository = f"{private_registry}/ns/{project.folder.parent.name.replace('_', '-').lower()}"
    project.engine.push(image, repository, "1", auth=READER, on_event=ignore)
    assert project.engine.remove_image(image)
    return f"{repository}:1"


def test_the_engine_says_what_it_is(engine: DockerEngine) -> None:
    info = engine.ping()
    assert info.platform.startswith("linux/")
    assert info.version
    assert info.api_version


def test_a_push_gives_the_digest_of_what_the_registry_holds_and_keeps_no_tag(
    project: Project, private_registry: str, docker_engine: RealEngine
) -> None:
    image = project.build("FROM base\nRUN echo 1 > /x\n")
    told: list[Progress] = []
    repository = f"{private_registry}/ns/app"
    digest = project.engine.push(image, repository, "v1.0", auth=READER, on_event=told.append)
    manifest = _manifest(private_registry, "ns/app", "v1.0")
    assert digest == f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    assert json.loads(manifest)["config"]["digest"] == image
    assert (told[-1].phase, told[-1].fraction) == ("pushing", 1.0)
    assert docker_engine.docker("images", "--quiet", repository) == ""
    assert project.engine.remove_image(image)


def test_a_pull_tells_its_progress(engine: DockerEngine, pushed: str, docker_engine: RealEngine) -> None:
    told: list[Progress] = []
    engine.pull(pushed, auth=READER, on_event=told.append)
    assert docker_engine.docker("images", "--quiet", pushed)
    assert (told[-1].phase, told[-1].fraction) == ("pulling", 1.0)
    assert {layer.status for layer in told[-1].layers.values()} <= {"Pull complete", "Already exists"}
    assert engine.remove_image(pushed)


def test_an_image_without_a_tag_is_the_latest_and_no_other(engine: DockerEngine, pushed: str) -> None:
    with pytest.raises(PullFailed, match="latest"):
        engine.pull(pushed.removesuffix(":1"), auth=READER, on_event=ignore)


def test_an_image_can_be_pulled_by_digest(engine: DockerEngine, pushed: str, private_registry: str) -> None:
    repository = pushed.removesuffix(":1")
    manifest = _manifest(private_registry, repository.split("/", 1)[1], "1")
    reference = f"{repository}@sha256:{hashlib.sha256(manifest).hexdigest()}"
    engine.pull(reference, auth=READER, on_event=ignore)
    assert engine.remove_image(reference)


def test_a_private_image_needs_credentials(engine: DockerEngine, pushed: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    wrong = replace(READER, password="wrong-secret")
    for auth in (None, wrong):
        with pytest.raises(PullFailed) as failed:
            engine.pull(pushed, auth=auth, on_event=ignore)
        assert failed.value.detail.startswith(f"{pushed}: ")
        assert wrong.password not in _said(failed.value) + caplog.text
    with pytest.raises(PullFailed, match=r"not found|manifest unknown"):
        engine.pull(f"{pushed}-no", auth=READER, on_event=ignore)


def test_a_refused_push_is_told_without_the_password(
    project: Project, private_registry: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    image = project.build("FROM base\nRUN echo 1 > /x\n")
    wrong = replace(READER, password="wrong-secret")
    with pytest.raises(PushFailed) as failed:
        project.engine.push(image, f"{private_registry}/ns/app", "2", auth=wrong, on_event=ignore)
    assert wrong.password not in _said(failed.value) + caplog.text
    assert project.engine.remove_image(image)


@pytest.fixture
def logged_in(private_registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The person who runs the worker has logged in to the private registry."""
    token = base64.b64encode(f"{READER.username}:{READER.password}".encode()).decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {private_registry: {"auth": token}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))


@pytest.mark.usefixtures("logged_in")
def test_a_build_gets_at_a_private_base_with_its_own_credentials_only(
    project: Project, pushed: str, private_registry: str, docker_engine: RealEngine
) -> None:
    registries = {private_registry: READER, "docker.io": READER}
    image = project.build(f"FROM {pushed}\nRUN wc -c /random\n", pull=True, registries=registries)
    assert "3000000 /random" in project.output
    assert project.engine.remove_image(image)
    # The base is on the engine now, and still closed to who has no credentials.
    assert docker_engine.docker("images", "--quiet", pushed)
    for text in (f"FROM {pushed}\n", f"FROM scratch\nCOPY --from={pushed} /random /\n"):
        with pytest.raises(BuildFailed, match=r"no basic auth credentials|unauthorized"):
            project.build(text, pull=True)
    with pytest.raises(PullFailed):
        project.engine.pull(pushed, auth=None, on_event=ignore)
    assert project.engine.remove_image(pushed)


def test_a_name_that_another_build_takes_during_a_push_is_told(
    project: Project, private_registry: str, docker_engine: RealEngine
) -> None:
    image = project.build("FROM base\nRUN head -c 3000000 /dev/urandom > /random\n")
    name = f"{private_registry}/ns/taken:1"
    with pytest.raises(Conflict, match=f"another build pushed {name} at the same moment"):
        project.engine.push(
            image, f"{private_registry}/ns/taken", "1", auth=READER, on_event=lambda _: _retag(docker_engine, name)
        )
    assert docker_engine.docker("images", "--quiet", name)
    assert project.engine.remove_image(name)
    assert project.engine.remove_image(image)


def test_a_push_can_be_cancelled(project: Project, private_registry: str, docker_engine: RealEngine) -> None:
    image = project.build("FROM base\nRUN echo 1 > /x\n")
    with pytest.raises(Cancelled):
        project.engine.push(
            image, f"{private_registry}/ns/app", "3", auth=READER, on_event=ignore, cancelled=lambda: True
        )
    assert docker_engine.docker("images", "--quiet", f"{private_registry}/ns/app") == ""
    assert project.engine.remove_image(image)


def test_an_image_in_use_is_not_removed(project: Project, docker_engine: RealEngine) -> None:
    image = project.build("FROM base\nRUN echo 1 > /x\n")
    container = docker_engine.docker("create", "--network", "none", image)
    assert not project.engine.remove_image(image)
    docker_engine.docker("rm", container)
    assert project.engine.remove_image(image)
    assert project.engine.remove_image(image)


def test_what_a_dead_worker_left_is_found_by_its_label(
    project: Project, docker_engine: RealEngine, images: Images
) -> None:
    before = images()
    mine = project.build("FROM base\nRUN echo 1 > /x\n", labels={"drydock.build": "dead"})
    other = project.build("FROM base\nRUN echo 2 > /x\n", labels={"drydock.build": "alive"})
    docker_engine.docker("tag", mine, "left/behind:1")
    docker_engine.docker("create", "--network", "none", mine)
    assert project.engine.remove_by_label("drydock.build", "dead") == 2
    assert docker_engine.docker("ps", "--all", "--quiet") == ""
    assert docker_engine.docker("images", "--quiet", "left/behind") == ""
    assert other in images()
    assert project.engine.remove_by_label("drydock.build", "dead") == 0
    project.engine.remove_image(other)
    assert images() == before


def _said(error: BaseException | None) -> str:
    """The error's words and those of all that led to it."""
    return "" if error is None else f"{error!r} {_said(error.__cause__)} {_said(error.__context__)}"


def _retag(engine: RealEngine, name: str) -> None:
    engine.docker("tag", "base", name)


def _manifest(registry: str, name: str, tag: str) -> bytes:
    request = urllib.request.Request(f"http://{registry}/v2/{name}/manifests/{tag}")
    token = base64.b64encode(f"{READER.username}:{READER.password}".encode()).decode()
    request.add_header("Authorization", f"Basic {token}")
    request.add_header("Accept", "application/vnd.docker.distribution.manifest.v2+json")
    with urllib.request.urlopen(request) as answer:
        content: bytes = answer.read()
    return content


def test_steps_are_taken_from_an_image_of_the_registry_and_from_nothing_else(
    project: Project, private_registry: str, images: Images
) -> None:
    steps = "FROM base\nRUN cat /proc/sys/kernel/random/uuid > /one\n"
    other = project.build(f"{steps}RUN echo of another repository > /two\n")
    mine = project.build(f"{steps}COPY Dockerfile /\n", labels={"build": "1"})
    repository = f"{private_registry}/ns/cached"
    digest = project.engine.push(mine, repository, "1", auth=READER, on_event=ignore)
    assert project.engine.remove_image(mine)
    before = images()
    known = {private_registry: Credentials("puller", "of base images only")}

    def built(cache_from: str) -> tuple[str, list[str]]:
        project.lines.clear()
        options = Options(cache_from=(cache_from,), cache_login=READER, build="2")
        dockerfile = f"{steps}RUN echo of another repository > /two\n"
        image = project.build(dockerfile, labels={"build": "2"}, options=options, registries=known)
        return image, project.output

    again, told = built(f"{repository}@{digest}")
    assert told.count(" ---> Using cache") == 1, told
    assert project.engine.remove_image(again)
    without, told = built(f"{repository}@sha256:{'0' * 64}")
    assert " ---> Using cache" not in told
    assert project.engine.remove_image(without)
    assert images() == before
    project.engine.remove_image(other)
