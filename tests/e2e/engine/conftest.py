"""The engine as the worker drives it, and a connection that can be cut."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import cast

import pytest

from buildworker.builder import Options
from buildworker.engines.buildkit import BuildKitEngine
from buildworker.engines.classic import DockerEngine
from buildworker.output import Line
from tests.services.docker_engine import DockerEngine as RealEngine


@pytest.fixture(scope="session")
def engine(docker_engine: RealEngine) -> DockerEngine:
    return DockerEngine(docker_engine.host)


@pytest.fixture
def images(docker_engine: RealEngine) -> Callable[[], set[str]]:
    """The ids of all images, intermediate ones among them."""
    return lambda: set(docker_engine.docker("images", "--all", "--quiet", "--no-trunc").split())


@pytest.fixture
def containers(docker_engine: RealEngine) -> Callable[[], list[str]]:
    return lambda: docker_engine.docker("ps", "--all", "--quiet").split()


def split(given: dict[str, object]) -> dict[str, object]:
    """What a test says of a build, as the engine takes it; without a network and a pull, unless it is said."""
    names = {each.name for each in fields(Options)} & given.keys()
    plain = replace(cast(Options, given.get("options", Options())), pull=False, network_mode="none")
    options = replace(plain, **{name: given[name] for name in names})  # type: ignore[arg-type]
    return {name: value for name, value in given.items() if name not in names} | {"options": options}


class Project:
    """A folder to build, and what the engine said."""

    def __init__(self, engine: DockerEngine | BuildKitEngine, folder: Path) -> None:
        self.engine = engine
        self.folder = folder
        self.lines: list[Line] = []

    @property
    def output(self) -> list[str]:
        return [line.text for line in self.lines]

    def build(self, dockerfile: str, **options: object) -> str:
        """Build on what the engine has, without a network, unless told otherwise."""
        (self.folder / "Dockerfile").write_text(dockerfile)
        given = {"timeout_s": 120.0, "on_line": self.lines.append, **split(options)}
        return self.engine.build(self.folder, self.folder / "Dockerfile", **given)  # type: ignore[arg-type]


@pytest.fixture
def project(engine: DockerEngine, tmp_path: Path) -> Project:
    folder = tmp_path / "project"
    folder.mkdir()
    return Project(engine, folder)


class Relay:
    """Stands between client and engine: forwards, falls silent, or hangs up."""

    def __init__(self, engine: Path, path: Path) -> None:
        self.url = f"unix://{path}"
        self._engine = str(engine)
        self._ends: list[socket.socket] = []
        self._silent = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def hush(self) -> None:
        """From now on nothing gets through, and no connection ends."""
        self._silent.set()

    def cut(self) -> None:
        """End all connections."""
        for end in self._ends:
            with suppress(OSError):  # it had ended
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        self.cut()
        for end in self._ends:
            end.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._engine)
            self._ends += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if not self._silent.is_set():
                    sink.sendall(data)
            sink.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def relay(docker_engine: RealEngine, tmp_path: Path) -> Iterator[Relay]:
    between = Relay(docker_engine.socket, tmp_path / "relay.sock")
    yield between
    between.close()
