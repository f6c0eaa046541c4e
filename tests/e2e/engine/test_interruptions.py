import time
from collections.abc import Callable
from pathlib import Path

import pytest

from buildworker.builder import BuildTimeout
from buildworker.engines.classic import DockerEngine
from buildworker.output import Line
from buildworker.watch import Cancelled
from models.errors import Upstream
from tests.e2e.engine.conftest import Project, Relay
from tests.services.process import wait_until

Images = Callable[[], set[str]]
Containers = Callable[[], list[str]]

SLEEP = "FROM base\nRUN echo kept > /x\nRUN echo asleep; sleep 60\n"


class Cancel:
    """Becomes true when a line appears; remembers when."""

    def __init__(self, line: str) -> None:
        self.at = 0.0
        self.lines: list[str] = []
        self._line = line

    def __call__(self) -> bool:
        return bool(self.at)

    def hear(self, line: Line) -> None:
        self.lines.append(line.text)
        if line.text == self._line:
            self.at = time.monotonic()


def test_a_cancel_ends_a_silent_build_within_a_second(project: Project, images: Images, containers: Containers) -> None:
    before = images()
    cancel = Cancel("asleep")
    with pytest.raises(Cancelled):
        project.build(SLEEP, cancelled=cancel, on_line=cancel.hear)
    assert time.monotonic() - cancel.at < 1
    wait_until(lambda: containers() == [], seconds=5)
    assert images() == before


def test_a_build_that_takes_too_long_is_ended(project: Project, images: Images, containers: Containers) -> None:
    before = images()
    begun = time.monotonic()
    with pytest.raises(BuildTimeout, match="the build took longer than 2 seconds"):
        project.build(SLEEP, timeout_s=2.0)
    assert time.monotonic() - begun < 3.5
    wait_until(lambda: containers() == [], seconds=5)
    assert images() == before


def test_a_cancel_ends_the_sending_of_a_context(project: Project, images: Images) -> None:
    before = images()
    with (project.folder / "endless").open("wb") as file:
        file.truncate(1 << 40)
    begun = time.monotonic()
    with pytest.raises(Cancelled):
        project.build("FROM base\n", cancelled=lambda: time.monotonic() - begun > 0.5)
    assert time.monotonic() - begun < 2
    assert images() == before


def test_a_caller_that_fails_while_it_hears_a_line_leaves_nothing_running(
    project: Project, images: Images, containers: Containers
) -> None:
    before = images()

    def fail(line: Line) -> None:
        if line.text == "asleep":
            raise KeyError("no log")

    with pytest.raises(KeyError):
        project.build(SLEEP, on_line=fail)
    wait_until(lambda: containers() == [], seconds=5)
    assert images() == before


@pytest.fixture
def relayed(project: Project, relay: Relay) -> Project:
    project.engine = DockerEngine(relay.url)
    return project


def test_a_connection_that_breaks_is_told_and_the_engine_gives_up(
    relayed: Project, relay: Relay, containers: Containers
) -> None:
    def cut(line: Line) -> None:
        if line.text == "asleep":
            relay.cut()

    with pytest.raises(Upstream, match=r"the Docker engine at unix://.* broke the connection off; build again"):
        relayed.build(SLEEP, on_line=cut)
    wait_until(lambda: containers() == [], seconds=5)


def test_an_engine_that_falls_silent_does_not_hold_a_cancel(relayed: Project, relay: Relay) -> None:
    relay.hush()
    begun = time.monotonic()
    with pytest.raises(Cancelled):
        relayed.build("FROM base\n", cancelled=lambda: time.monotonic() - begun > 0.5)
    assert time.monotonic() - begun < 1.5


def test_an_engine_that_falls_silent_in_a_build_is_not_waited_for_long(
    relayed: Project, relay: Relay, containers: Containers
) -> None:
    cancel = Cancel("asleep")

    def hear(line: Line) -> None:
        cancel.hear(line)
        if cancel.at:
            relay.hush()

    with pytest.raises(Cancelled):
        relayed.build(SLEEP, cancelled=cancel, on_line=hear)
    assert time.monotonic() - cancel.at < 8
    relay.cut()
    wait_until(lambda: containers() == [], seconds=5)


@pytest.mark.parametrize("url", ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:1", "nonsense://x"])
def test_an_engine_that_is_not_there_is_told_with_what_to_do(url: str, tmp_path: Path) -> None:
    away = DockerEngine(url)
    (tmp_path / "Dockerfile").write_text("FROM x\n")
    calls: list[Callable[[], object]] = [
        away.ping,
        lambda: away.build(tmp_path, tmp_path / "Dockerfile", timeout_s=5, on_line=lambda _: None),
        lambda: away.pull("x", auth=None, on_event=lambda _: None),
        lambda: away.push("sha256:0", "x", "y", auth=None, on_event=lambda _: None),
        lambda: away.remove_image("x"),
        lambda: away.remove_by_label("a", "b"),
    ]
    for call in calls:
        with pytest.raises(Upstream, match=f"^no Docker engine at {url}: start dockerd or set BUILD_ENGINE_URL$"):
            call()
