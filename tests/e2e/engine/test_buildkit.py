"""BuildKit as the worker drives it: what the classic builder has not, and that nobody meets another's cache."""

import secrets
import threading
import time
from pathlib import Path

import pytest

from buildworker.builder import BuildFailed, Options
from buildworker.engines.buildkit import BuildKitEngine
from buildworker.engines.classic import DockerEngine
from buildworker.watch import Cancelled
from models.errors import Upstream
from tests.e2e.engine.conftest import Project, Relay
from tests.services.docker_engine import DockerEngine as RealEngine
from tests.services.private_registry import READER


@pytest.fixture
def kit(docker_engine: RealEngine, tmp_path: Path) -> Project:
    folder = tmp_path / "kit"
    folder.mkdir()
    return Project(BuildKitEngine(docker_engine.host), folder)


def test_stages_args_target_and_secrets_make_an_image_that_knows_no_secret(
    kit: Project, docker_engine: RealEngine
) -> None:
    (kit.folder / "greeting").write_text("hello")
    secret = secrets.token_hex(15_000)  # more than one frame of HTTP/2 holds
    image = kit.build(
        "FROM base AS one\nARG WHO\nCOPY greeting /g\n"
        "RUN --mount=type=secret,id=key wc -c < /run/secrets/key > /size; echo $WHO > /who\n"
        'FROM base AS two\nCOPY --from=one /who /size /\nRUN printf "no newline"\n'
        "FROM base AS unwanted\nRUN exit 1\n",
        labels={"drydock.build": "1234"},
        options=Options(args={"WHO": "Ada"}, secrets={"key": secret}, target="two"),
    )
    docker = docker_engine.docker
    assert docker("run", "--rm", "--network", "none", image, "cat", "/who", "/size") == "Ada\n30000"
    assert docker("inspect", "--format", '{{index .Config.Labels "drydock.build"}}', image) == "1234"
    assert secret not in docker("history", "--no-trunc", image) + docker("inspect", image)
    steps = [(line.step, line.steps) for line in kit.lines if line.kind == "command"]
    assert steps == [(number, 6) for number in range(1, 6)]  # both stages begin with the same
    assert "no newline" in kit.output
    assert docker("ps", "--all", "--quiet") == ""
    assert kit.engine.remove_image(image)


@pytest.mark.parametrize(
    ("dockerfile", "message", "code"),
    [
        ("FROM base\nRUN echo before; printf last; exit 7\n", "exit code: 7", 7),
        ("FROM base\nNONSENSE x\n", "line 2: unknown instruction: NONSENSE", None),
        ("FROM base\nCOPY missing /\n", '"/missing" not found', None),
        ("FROM 127.0.0.1:1/no/base\n", "127.0.0.1:1", None),
        ("FROM base\nRUN --mount=type=secret,id=key,required=true true\n", "key not found", None),
    ],
)
def test_what_cannot_be_built_is_told(kit: Project, dockerfile: str, message: str, code: int | None) -> None:
    with pytest.raises(BuildFailed) as failed:
        kit.build(dockerfile)
    assert message in failed.value.detail
    assert failed.value.code == code
    if code:
        assert kit.output[-2:] == ["before", "last"]


def test_what_is_cached_of_a_repository_no_other_meets(kit: Project) -> None:
    """Neither the result of a RUN of the same text nor a cache mount of the same name."""
    text = (
        "FROM base\nRUN --mount=type=secret,id=key cat /proc/sys/kernel/random/uuid /run/secrets/key > /out; cat /out\n"
        "RUN --mount=type=cache,id=c,target=/c echo x >> /c/x; wc -l < /c/x\n"
    )
    told: dict[str, list[str]] = {}
    for name, scope, secret in (("first", "a", "s"), ("again", "a", "s"), ("other", "b", ""), ("uncached", None, "s")):
        kit.lines.clear()
        kit.engine.remove_image(kit.build(text, options=Options(scope=scope, secrets={"key": secret or "none"})))
        told[name] = [line.text for line in kit.lines if line.kind == "output"]
    assert told["again"].count(" ---> Using cache") >= 2
    assert not set(told["again"]) & set(told["first"]) - {" ---> Using cache"}
    assert told["other"][-1] == told["first"][-1] == told["uncached"][-1] == "1"
    assert "s" not in told["other"]


def test_a_private_base_image_is_pulled_with_the_builds_credentials(
    kit: Project, docker_engine: RealEngine, private_registry: str
) -> None:
    name = f"{private_registry}/kit/base"
    pusher = DockerEngine(docker_engine.host)
    base = docker_engine.docker("inspect", "--format", "{{.Id}}", "base")
    pusher.push(base, f"{private_registry}/kit/base", "latest", auth=READER, on_event=lambda _: None)
    with pytest.raises(BuildFailed):
        kit.build(f"FROM {name}\nRUN true\n", pull=True)
    image = kit.build(f"FROM {name}\nRUN true\n", pull=True, registries={private_registry: READER})
    assert kit.engine.remove_image(image)


def test_a_cancelled_build_ends_its_commands(kit: Project) -> None:
    begun = threading.Event()

    def cancelled() -> bool:
        if any(line.text == "asleep" for line in kit.lines):
            begun.set()
        return begun.is_set()

    started = time.monotonic()
    with pytest.raises(Cancelled):
        kit.build("FROM base\nRUN echo asleep; sleep 4711\n", cancelled=cancelled)
    assert begun.is_set()
    assert time.monotonic() - started < 30
    deadline = time.monotonic() + 10
    while _runs("4711"):
        assert time.monotonic() < deadline, "the command goes on"
        time.sleep(0.05)


def test_a_connection_that_breaks_is_nobodys_mistake(relay: Relay, tmp_path: Path) -> None:
    folder = tmp_path / "cut"
    folder.mkdir()
    project = Project(BuildKitEngine(relay.url), folder)
    threading.Thread(target=_cut_when_it_runs, args=(project, relay), daemon=True).start()
    with pytest.raises(Upstream):
        project.build("FROM base\nRUN echo asleep; sleep 4712\n")


def _cut_when_it_runs(project: Project, relay: Relay) -> None:
    while not any(line.text == "asleep" for line in project.lines):
        time.sleep(0.02)
    relay.cut()


def _runs(word: str) -> bool:
    """Whether a process of this machine has the word among its arguments."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                arguments = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if word.encode() in arguments:
                return True
    return False
