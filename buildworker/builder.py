"""What a build asks of the engine that carries it out, and how that can end."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from buildworker.output import Line
from buildworker.progress import Progress
from buildworker.watch import never
from config.kinds import EngineKind
from models.errors import DomainError


class BuildFailed(DomainError):
    """The Dockerfile could not be carried out; `code` is the exit code of the command that failed, where one did."""

    def __init__(self, detail: str, code: int | None = None) -> None:
        super().__init__(detail)
        self.code = code


class BuildTimeout(DomainError):
    """The build took longer than it may."""


class PullFailed(DomainError):
    """An image could not be fetched: it does not exist, the credentials do not open it, its registry is away."""


class PushFailed(DomainError):
    """The image could not be sent to its registry."""


@dataclass(frozen=True)
class Credentials:
    username: str
    password: str = field(repr=False)


Registries = Mapping[str, Credentials]  # by registry, as in an image's name: localhost:8080, quay.io, docker.io


@dataclass(frozen=True)
class Options:
    """What a build is to be beyond its Dockerfile; what an engine cannot do of it, it refuses.

    With `pull`, the engine asks the registry for every base image, with what it has of `registries`, so that nobody
    builds on an image that another's build left here. `secrets` are for `RUN --mount=type=secret,id=`. `target`: the
    stage to build; None is the last. `platform`: such as `linux/arm64`; None is the engine's own. Builds of one `scope`
    share what is cached of RUN and its cache mounts, and no others do; none: nothing is cached. `cache_from`: images to
    take cached steps from, pulled with `cache_login` by an engine that is given their names: who may read base images
    need not be allowed to read the repository that is built. `cache_out`: put into the image what makes it such an
    image. `build`: the value of the label by which `remove_by_label` finds what is left.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    registries: Registries = field(default_factory=dict)
    pull: bool = True
    network_mode: str | None = None
    memory_bytes: int | None = None
    cpu_shares: int | None = None
    args: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    target: str | None = None
    platform: str | None = None
    scope: str | None = None
    cache_from: tuple[str, ...] = ()
    cache_login: Credentials | None = None
    cache_out: bool = False
    build: str = ""


PLAIN = Options()


@dataclass(frozen=True)
class EngineInfo:
    version: str
    api_version: str
    platform: str
    platforms: frozenset[str] = frozenset()
    """All that it can build for."""


class Engine(Protocol):
    """The engine. Each method raises `Upstream` when it is away. Callbacks run in the caller's thread.

    `kind` tells what it can (`models.build_features`). `cancelled` is asked about twice a second; when it says so, the
    work is given up and `watch.Cancelled` raised.
    """

    kind: EngineKind

    def ping(self) -> EngineInfo:
        """Whether it is there."""

    def pull(
        self,
        image: str,
        *,
        auth: Credentials | None,
        on_event: Callable[[Progress], None],
        cancelled: Callable[[], bool] = never,
        timeout_s: float | None = None,
    ) -> None:
        """Fetch `image` (`latest` when it names neither tag nor digest); `PullFailed`, `BuildTimeout`."""

    def build(
        self,
        context: Path,
        dockerfile: Path,
        *,
        options: Options = PLAIN,
        timeout_s: float,
        on_line: Callable[[Line], None],
        cancelled: Callable[[], bool] = never,
    ) -> str:
        """Build the folder and return the image's id; the image has no tag. `BuildFailed`, `BuildTimeout`.

        Nothing but the image stays on the engine, and of a build that does not succeed nothing does.
        """

    def push(
        self,
        image_id: str,
        repository: str,
        tag: str,
        *,
        auth: Credentials | None,
        on_event: Callable[[Progress], None],
        cancelled: Callable[[], bool] = never,
        timeout_s: float | None = None,
    ) -> str:
        """Send the image as `repository:tag` and return the manifest's digest; the engine keeps no such tag of it.

        `PushFailed`; `BuildTimeout`; `Conflict` when another build took the same name at the same moment.
        """

    def remove_image(self, reference: str) -> bool:
        """Remove an image and what only it needs; False when something still uses it."""

    def remove_by_label(self, key: str, value: str) -> int:
        """Remove the containers and images with this label, which a dead worker left; says how many there were."""
