"""buildah as the worker drives it, without any daemon: base image and result lie in a registry that asks who one is."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildworker.builder import BuildFailed, BuildTimeout, Options, PullFailed
from buildworker.engines.buildah import BuildahEngine
from buildworker.output import Line
from models.errors import Upstream
from tests.e2e.engine.conftest import split
from tests.services.private_registry import READER


class Project:
    """A folder to build, and what buildah said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "context"
        self.folder.mkdir()
        self.places = folder / "places"
        self.engine = BuildahEngine(self.places)
        self.lines: list[Line] = []

    def build(self, dockerfile: str, **options: object) -> str:
        (self.folder / "Dockerfile").write_text(dockerfile)
        given = {"timeout_s": 120.0, "on_line": self.lines.append, **split(options)}
        return self.engine.build(self.folder, self.folder / "Dockerfile", **given)  # type: ignore[arg-type]

    def push(self, image: str, repository: str) -> str:
        return self.engine.push(image, repository, "latest", auth=READER, on_event=lambda _: None)

    @property
    def output(self) -> list[str]:
        return [line.text for line in self.lines]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.setenv("BUILDAH_ISOLATION", "chroot")
    monkeypatch.setenv("STORAGE_DRIVER", "vfs")
    made = Project(tmp_path)
    yield made
    made.engine.remove_image("")
    assert list(made.places.glob("*")) == []


@pytest.fixture
def base(project: Project, private_registry: str) -> str:
    """An image with a shell in the registry."""
    shutil.copy(shutil.which("busybox") or "busybox", project.folder / "busybox")
    links = " ".join(f"/bin/busybox ln -s busybox /bin/{name};" for name in ("sh", "cat", "wc", "sleep"))
    image = project.build(
        "FROM scratch\nCOPY busybox /bin/busybox\nENV PATH=/bin\n"
        f'RUN ["/bin/busybox", "sh", "-c", "{links}"]\nCMD ["/bin/sh"]\n'
    )
    name = f"{private_registry}/buildah/base"
    project.push(image, name)
    project.engine.remove_image(image)
    project.lines.clear()
    return name


def test_an_image_is_built_of_a_private_base_and_pushed(project: Project, base: str, private_registry: str) -> None:
    known = {private_registry: READER}
    with pytest.raises(PullFailed, match=r"authentication required|unauthorized"):
        project.engine.pull(base, auth=None, on_event=lambda _: None)
    project.engine.pull(base, auth=READER, on_event=lambda _: None)
    image = project.build(
        f"FROM {base} AS one\nARG WHO\n"
        "RUN --mount=type=secret,id=key wc -c < /run/secrets/key > /size; echo $WHO > /who; cat /who /size\n"
        f"FROM {base} AS two\nCOPY --from=one /who /size /\n"
        "RUN --mount=type=cache,target=/c echo x >> /c/x; wc -l < /c/x\n"
        f"FROM {base} AS unwanted\nRUN exit 1\n",
        pull=True,
        registries=known,
        labels={"drydock.build": "1234"},
        options=Options(args={"WHO": "Ada"}, secrets={"key": "hunter2" * 100}, target="two"),
    )
    assert image.startswith("sha256:")
    assert project.output.index("Ada") + 1 == project.output.index("700")
    steps = [line.step for line in project.lines if line.kind == "command"]
    assert steps == list(range(1, len(steps) + 1))
    digest = project.push(image, f"{private_registry}/buildah/result")
    assert digest.startswith("sha256:")
    shown = subprocess.run(
        ["skopeo", "inspect", "--config", "--tls-verify=false", f"--creds={READER.username}:{READER.password}",
         f"docker://{private_registry}/buildah/result@{digest}"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert json.loads(shown)["config"]["Labels"]["drydock.build"] == "1234"
    assert "hunter2" not in shown
    assert project.engine.remove_image(image)


@pytest.mark.parametrize(
    ("dockerfile", "message", "code"),
    [
        ("FROM scratch\nNONSENSE x\n", "NONSENSE", None),
        ("FROM scratch\nCOPY missing /\n", "missing", None),
        ("FROM containers-storage:base\n", "registries only", None),
    ],
)
def test_what_cannot_be_built_is_told_and_leaves_nothing(
    project: Project, dockerfile: str, message: str, code: int | None
) -> None:
    with pytest.raises(BuildFailed, match=message) as failed:
        project.build(dockerfile, pull=True)
    assert failed.value.code == code
    assert list(project.places.glob("*")) == []


def test_an_image_among_the_workers_files_is_no_base_image(
    project: Project, base: str, private_registry: str, tmp_path: Path
) -> None:
    login = f"--src-creds={READER.username}:{READER.password}"
    for transport in ("dir", "oci"):
        target = f"{transport}:{tmp_path / transport}"
        subprocess.run(["skopeo", "copy", "--src-tls-verify=false", login, f"docker://{base}", target], check=True)
        with pytest.raises(BuildFailed, match="rejected by policy"):
            project.build(f"ARG HOW={transport}\nFROM $HOW:{tmp_path / transport}\nRUN true\n", pull=True)


def test_a_command_that_fails_or_takes_too_long_ends_the_build(
    project: Project, base: str, private_registry: str
) -> None:
    known = {private_registry: READER}
    with pytest.raises(BuildFailed) as failed:
        project.build(f"FROM {base}\nRUN echo before; exit 7\n", pull=True, registries=known)
    assert failed.value.code == 7
    assert "before" in project.output
    started = time.monotonic()
    with pytest.raises(BuildTimeout):
        project.build(f"FROM {base}\nRUN sleep 4713\n", pull=True, registries=known, timeout_s=2.5)
    assert time.monotonic() - started < 20
    assert not [path for path in Path("/proc").glob("[0-9]*/cmdline") if b"sleep\x004713\x00" in _read(path)]


def test_what_a_killed_worker_left_goes_with_the_next_build(project: Project) -> None:
    code = (
        "import sys, time; from pathlib import Path; from buildworker.engines.buildah import BuildahEngine\n"
        "engine = BuildahEngine(Path(sys.argv[1])); engine._opened(); print('there', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(project.places)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]
    ) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"there\n"
        [place] = project.places.glob("*")
        os.utime(place, (0, 0))
        assert project.engine.remove_by_label("drydock.job", "x") == 0
        worker.send_signal(signal.SIGKILL)
    assert project.engine.remove_by_label("drydock.job", "x") == 1


def test_a_host_without_buildah_says_so(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    assert project.engine.ping().platform.startswith("linux/")
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("buildworker.engines.buildah.PROGRAM", "no-such-buildah")
    with pytest.raises(Upstream, match="no buildah here"):
        project.engine.ping()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
