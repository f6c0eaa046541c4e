import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from buildworker.builder import BuildFailed, Options
from buildworker.engines.classic import DockerEngine
from tests.e2e.engine.conftest import Project
from tests.services.docker_engine import DockerEngine as RealEngine

Images = Callable[[], set[str]]
Containers = Callable[[], list[str]]


@pytest.fixture(autouse=True)
def nothing_stays(images: Images, containers: Containers) -> Iterator[None]:
    """What a build made is gone when the test has removed its image."""
    before = images()
    yield
    assert images() == before
    assert containers() == []


def test_an_image_is_built_and_removed_without_trace(project: Project, docker_engine: RealEngine) -> None:
    (project.folder / "greeting").write_text("hello")
    image = project.build(
        "FROM base AS one\nCOPY greeting /g\nRUN tr a-z A-Z < /g > /G\n"
        'FROM base\nCOPY --from=one /G /G\nRUN printf "no newline"\nCMD ["cat", "/G"]\n',
        labels={"drydock.build": "1234"},
    )
    assert image.startswith("sha256:")
    assert docker_engine.docker("run", "--rm", "--network", "none", image) == "HELLO"
    assert docker_engine.docker("inspect", "--format", '{{index .Config.Labels "drydock.build"}}', image) == "1234"
    steps = [(line.step, line.steps) for line in project.lines if line.kind == "command"]
    assert steps == [(number, 8) for number in range(1, 9)]
    assert "no newline" in project.output
    assert project.engine.remove_image(image)


def test_a_command_that_fails_is_told_with_its_code_and_output(project: Project) -> None:
    with pytest.raises(BuildFailed) as failed:
        project.build("FROM base\nRUN echo kept > /x\nRUN echo before; printf last; exit 7\n")
    assert failed.value.code == 7
    assert "returned a non-zero code: 7" in failed.value.detail
    assert [line for line in project.output if line in ("before", "last")] == ["before", "last"]


@pytest.mark.parametrize(
    ("dockerfile", "message"),
    [
        ("FROM base\nNONSENSE x\n", "line 2: unknown instruction: NONSENSE"),
        ("", "cannot be empty"),
        ("RUN x\n", "no build stage"),
        ("FROM base\nCOPY missing /\n", "missing"),
        ("FROM base\nCOPY ../conftest.py /\n", "orbidden path outside the build context"),
        ("FROM 127.0.0.1:1/no/base\n", "127.0.0.1:1"),
    ],
)
def test_a_dockerfile_that_cannot_be_built_is_told(project: Project, dockerfile: str, message: str) -> None:
    with pytest.raises(BuildFailed) as failed:
        project.build(dockerfile)
    assert message in failed.value.detail


def test_links_in_the_context_lead_nowhere_on_the_worker_or_engine(project: Project, docker_engine: RealEngine) -> None:
    (project.folder / "shadow").symlink_to("/etc/shadow")
    (project.folder / "up").symlink_to("../../../../../../etc")
    for source in ("shadow", "up/shadow", "up/hostname"):
        with pytest.raises(BuildFailed):
            project.build(f"FROM base\nCOPY {source} /stolen\n")
    image = project.build("FROM base\nCOPY . /all\n")
    assert docker_engine.docker("run", "--rm", "--network", "none", image, "ls", "-l", "/all/shadow").endswith(
        "/etc/shadow"
    )
    project.engine.remove_image(image)


def test_dockerignore_is_honoured_and_the_dockerfile_found_all_the_same(
    project: Project, docker_engine: RealEngine
) -> None:
    for name in ("kept.txt", "secret.txt", "deep/secret.key"):
        (project.folder / name).parent.mkdir(exist_ok=True)
        (project.folder / name).write_text(name)
    (project.folder / ".dockerignore").write_text("secret*\n**/*.key\nDockerfile\n.dockerignore\n")
    image = project.build("FROM base\nCOPY . /all\n")
    listed = docker_engine.docker("run", "--rm", "--network", "none", image, "ls", "-A", "/all", "/all/deep")
    assert listed.split() == ["/all:", "deep", "kept.txt", "/all/deep:"]
    project.engine.remove_image(image)


def test_a_dockerfile_outside_the_context_is_used_and_not_part_of_it(
    project: Project, docker_engine: RealEngine, engine: DockerEngine
) -> None:
    (project.folder / "kept.txt").write_text("x")
    outside = project.folder.parent / "App.dockerfile"
    outside.write_text("FROM base\nCOPY . /all\n")
    options = Options(pull=False, network_mode="none")
    image = engine.build(project.folder, outside, options=options, timeout_s=60, on_line=project.lines.append)
    assert docker_engine.docker("run", "--rm", "--network", "none", image, "ls", "-A", "/all") == "kept.txt"
    engine.remove_image(image)


def test_output_is_free_of_escapes_and_endless_lines(project: Project) -> None:
    colours = r"printf '\033[31mred\033[0m\n10%%\r20%%\n'"
    image = project.build(f"FROM base\nRUN {colours}; tr '\\0' x < /dev/zero | head -c 3000000 || true\n")
    assert {"red", "20%"} <= set(project.output)
    assert max(map(len, project.output)) < 9000
    project.engine.remove_image(image)


def test_a_build_cannot_make_the_engine_lose_an_image_by_naming_it(project: Project, docker_engine: RealEngine) -> None:
    base = docker_engine.docker("images", "--quiet", "base")
    with pytest.raises(BuildFailed):
        project.build(f"FROM base\nRUN echo ' ---> {base}'; exit 1\n")
    assert f" ---> {base}" in project.output
    assert docker_engine.docker("images", "--quiet", "base") == base


def test_nothing_is_taken_from_an_earlier_build(project: Project) -> None:
    dockerfile = "FROM base\nRUN cat /proc/sys/kernel/random/uuid\n"
    for image in (project.build(dockerfile), project.build(dockerfile)):
        project.engine.remove_image(image)
    assert not any("Using cache" in line for line in project.output)


def test_memory_is_limited(project: Project) -> None:
    limit = 64 << 20
    where = "/sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes"
    image = project.build(f"FROM base\nRUN cat {where} 2>/dev/null || true\n", memory_bytes=limit)
    assert str(limit) in project.output
    project.engine.remove_image(image)


_MEASURE = """
import resource, sys
from pathlib import Path
from buildworker.builder import Options
from buildworker.engines.classic import DockerEngine
engine, folder = DockerEngine(sys.argv[1]), Path(sys.argv[2])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
image = engine.build(folder, folder / "Dockerfile", options=Options(pull=False, network_mode="none"), timeout_s=300,
                     on_line=lambda line: print(line.text))
engine.remove_image(image)
print("grew", (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_a_context_of_300_mb_takes_little_memory(project: Project) -> None:
    block = bytes(range(256)) * 4096
    with (project.folder / "large").open("wb") as file:
        for _ in range(300):
            file.write(block)
    (project.folder / "Dockerfile").write_text("FROM base\nCOPY large /\nRUN wc -c < /large\n")
    root = Path(__file__).parents[3]
    command: list[str | Path] = [sys.executable, "-c", _MEASURE, project.engine.url, project.folder]
    said = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout.split("\n")
    assert str(300 * len(block)) in said
    assert int(said[-2].removeprefix("grew ")) < 30
