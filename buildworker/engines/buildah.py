"""buildah, for hosts without a daemon: a command for each thing to do, and a place of its own for each build.

What a process leaves in its place when it dies, the next build removes: places are locked while their process lives.
"""

import base64
import fcntl
import ipaddress
import json
import os
import platform
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from buildworker.builder import PLAIN, BuildFailed, Credentials, EngineInfo, Options, PullFailed, PushFailed
from buildworker.engines import command
from buildworker.engines.platforms import emulated
from buildworker.masking import Masker
from buildworker.output import Line
from buildworker.progress import Progress
from buildworker.registries import registry_of
from buildworker.watch import never
from config.kinds import EngineKind
from models.errors import Upstream

PROGRAM = "buildah"
_YOUNG_S = 5.0
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}
_KEPT = ("PATH", "BUILDAH_ISOLATION", "STORAGE_DRIVER", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "LANG")
_STEP = re.compile(r"(?:\[(\d{1,6})/\d{1,6}\] )?STEP (\d{1,6})/(\d{1,6}): (.*)", re.DOTALL)
_EXIT = re.compile(r"exit status (\d{1,3})\b")
# Images come from registries only: other transports would read the worker's own files.
_ACCEPT = [{"type": "insecureAcceptAnything"}]
_POLICY = {
    "default": [{"type": "reject"}],
    "transports": {"docker": {"": _ACCEPT}, "containers-storage": {"": _ACCEPT}},
}
_STORES = re.compile(r"containers-storage:", re.IGNORECASE)


class BuildahEngine:
    """A `builder.Engine` for one build, below `folder`. Nothing is cached from one to the next."""

    kind: EngineKind = "buildah"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._place: Path | None = None
        self._lock = -1

    def ping(self) -> EngineInfo:
        try:
            found = subprocess.run(  # noqa: S603 - no shell, and nothing of a user's
                [PROGRAM, "version", "--json"], env=_environment(), capture_output=True, check=True
            )
        except (OSError, subprocess.CalledProcessError) as error:
            raise Upstream("no buildah here: install it, or set BUILD_ENGINE to docker or buildkit") from error
        own = f"linux/{_MACHINES.get(platform.machine(), platform.machine())}"
        return EngineInfo(str(json.loads(found.stdout)["version"]), "", own, frozenset({own}) | emulated())

    def pull(
        self,
        image: str,
        *,
        auth: Credentials | None,
        on_event: Callable[[Progress], None],
        cancelled: Callable[[], bool] = never,
        timeout_s: float | None = None,
    ) -> None:
        if _STORES.search(image):
            raise PullFailed(f"{image}: images come from registries only")
        known = {registry_of(image): auth} if auth else {}
        arguments = ["pull", *self._access(known, [image]), image]
        ended = self._run(arguments, cancelled=cancelled, timeout_s=timeout_s, what=f"pulling {image}")
        if ended.code:
            self._clear()
            raise PullFailed(f"{image}: {_masker(known).masked(ended.complaint)}")
        on_event(Progress("pulling", 1.0, {}))

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
        known = options.registries
        text = dockerfile.read_text(encoding="utf-8-sig", errors="replace")
        if _STORES.search(text) or any(_STORES.search(value) for value in options.args.values()):
            raise BuildFailed("The Dockerfile names an image of containers-storage; images come from registries only.")
        place = self._opened()
        # By another name than its own: of some names buildah makes something else than a Dockerfile.
        copied = place / "Dockerfile"
        copied.write_text(text)
        made = place / "image"
        limits = {
            "--memory": options.memory_bytes,
            "--cpu-shares": options.cpu_shares,
            "--network": options.network_mode,
        }
        arguments = [
            *("build", "--no-cache", "--force-rm", "--layers=false", "--format=docker", "--http-proxy=false"),
            *self._access(known, known),
            *(f"--file={copied}", f"--iidfile={made}"),
            *(["--pull-always"] if options.pull else ["--pull=false"]),
            *(f"{name}={value}" for name, value in limits.items() if value),
            *_chosen(options, _written(place, options.secrets)),
            str(context),
        ]
        steps = _Steps(on_line)
        succeeded = False
        try:
            ended = self._run(arguments, on_line=steps, cancelled=cancelled, timeout_s=timeout_s, what="the build")
            if ended.code:
                exit_code = _EXIT.search(ended.complaint)
                told = _masker(known, options.secrets.values()).masked(ended.complaint)
                raise BuildFailed(told, int(exit_code[1]) if exit_code else None)
            succeeded = True
            return made.read_text().strip()
        finally:
            if not succeeded:
                self._clear()

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
        name = f"{repository}:{tag}"
        known = {registry_of(repository): auth} if auth else {}
        digest = self._opened() / "digest"
        access = self._access(known, [repository])
        arguments = ["push", *access, f"--digestfile={digest}", image_id, f"docker://{name}"]
        ended = self._run(arguments, cancelled=cancelled, timeout_s=timeout_s, what=f"pushing {name}")
        if ended.code:
            raise PushFailed(f"{name}: {_masker(known).masked(ended.complaint)}")
        on_event(Progress("pushing", 1.0, {}))
        return digest.read_text().strip()

    def remove_image(self, reference: str) -> bool:
        """There is one image at most: what the build made goes, with all that it needed."""
        self._clear()
        return True

    def remove_by_label(self, key: str, value: str) -> int:
        """Remove what dead processes left, whatever they built."""
        places = [path for path in self._folder.glob("*") if path != self._place and _is_dead(path)]
        for path in places:
            _remove(path)
        return len(places)

    def _opened(self) -> Path:
        """This build's place, made at its first use."""
        if self._place is None:
            place = self._folder / secrets.token_hex(8)
            place.mkdir(mode=0o700, parents=True)
            self._lock = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            (place / "tmp").mkdir()
            (place / "policy.json").write_text(json.dumps(_POLICY))
            self._place = place
        return self._place

    def _clear(self) -> None:
        if self._place is not None:
            _remove(self._place)
            os.close(self._lock)
            self._place = None

    def _access(self, known: Mapping[str, Credentials], images: Iterable[str]) -> list[str]:
        """Options that let buildah in to these registries, and with nobody else's credentials."""
        place = self._opened()
        auths = {registry: {"auth": _basic(login)} for registry, login in known.items()}
        _private(place / "auth.json", json.dumps({"auths": auths}))
        plain = {registry for image in images if _is_loopback(registry := registry_of(f"{image}/"))}
        lines = ['unqualified-search-registries = ["docker.io"]', 'short-name-mode = "disabled"']
        lines += [f'[[registry]]\nlocation = "{registry}"\ninsecure = true' for registry in sorted(plain)]
        (place / "registries.conf").write_text("\n".join(lines) + "\n")
        return [f"--authfile={place / 'auth.json'}", f"--signature-policy={place / 'policy.json'}"]

    def _run(
        self,
        arguments: list[str],
        *,
        cancelled: Callable[[], bool],
        timeout_s: float | None,
        what: str,
        on_line: Callable[[Line], None] = lambda _: None,
    ) -> command.Ended:
        place = self._opened()
        store = [f"--root={place / 'storage'}", f"--runroot={place / 'run'}"]
        conf = {"TMPDIR": str(place / "tmp"), "CONTAINERS_REGISTRIES_CONF": str(place / "registries.conf")}
        return command.run(
            [PROGRAM, *store, *arguments],
            env={**_environment(), **conf, "HOME": str(place), "REGISTRY_AUTH_FILE": str(place / "auth.json")},
            on_line=on_line,
            cancelled=cancelled,
            deadline=None if timeout_s is None else time.monotonic() + timeout_s,
            what=what,
        )


class _Steps:
    """Tells lines on, the announcements of steps as commands."""

    def __init__(self, on_line: Callable[[Line], None]) -> None:
        self._on_line = on_line
        self._begun = 0
        self._sizes: dict[str, int] = {}

    def __call__(self, line: Line) -> None:
        step = _STEP.fullmatch(line.text)
        if step is None:
            self._on_line(line)
            return
        self._begun += 1
        self._sizes[step[1] or ""] = int(step[3])
        of = max(sum(self._sizes.values()), self._begun)
        self._on_line(Line(f"Step {self._begun}/{of} : {step[4]}", "command", self._begun, of))


def _chosen(options: Options, files: Mapping[str, Path]) -> list[str]:
    pairs = [("build-arg", f"{name}={value}") for name, value in options.args.items()]
    pairs += [("label", f"{name}={value}") for name, value in options.labels.items()]
    pairs += [("secret", f"id={name},src={path}") for name, path in files.items()]
    pairs += [("target", options.target)] if options.target else []
    pairs += [("platform", options.platform)] if options.platform else []
    return [f"--{name}={value}" for name, value in pairs]


def _written(place: Path, values: Mapping[str, str]) -> dict[str, Path]:
    """The secrets as files that go with the build's place."""
    folder = place / "secrets"
    folder.mkdir(mode=0o700, exist_ok=True)
    files = {name: folder / str(number) for number, name in enumerate(values)}
    for name, path in files.items():
        _private(path, values[name])
    return files


def _private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def _basic(login: Credentials) -> str:
    return base64.b64encode(f"{login.username}:{login.password}".encode()).decode()


def _masker(known: Mapping[str, Credentials], more: Iterable[str] = ()) -> Masker:
    return Masker([*(login.password for login in known.values()), *more])


def _is_loopback(registry: str) -> bool:
    """Whether it is on this machine, where a registry may do without TLS; the Docker engine sees it the same way."""
    host = registry.rpartition(":")[0] or registry
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**kept, "PATH": f"{kept.get('PATH', '/usr/bin:/bin')}:/usr/sbin:/sbin"}


def _is_dead(place: Path) -> bool:
    """Whether the process that made the place is gone."""
    try:
        if time.time() - place.stat().st_mtime < _YOUNG_S:
            return False  # perhaps not locked yet
        lock = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(lock)
    except (BlockingIOError, FileNotFoundError, PermissionError):
        return False
    return True


def _remove(place: Path) -> None:
    """Remove a place, and first what is mounted in it."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for point in reversed([point for point in mounts if Path(point).is_relative_to(place.resolve())]):
        subprocess.run(  # noqa: S603 - no shell; the path is ours
            ["/bin/umount", "--lazy", point], env=_environment(), capture_output=True, check=False
        )
    shutil.rmtree(place, ignore_errors=True)
