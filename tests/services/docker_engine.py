"""A real Docker engine of its own, beside whatever engine the machine has, and small images in it."""

import io
import json
import os
import secrets
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.services import process

_BUSYBOX_NAMES = ["cat", "cp", "echo", "env", "false", "grep", "id", "ln", "ls", "mkdir", "mv", "ps", "rm", "sed", "sh"]
_BUSYBOX_NAMES += ["sha256sum", "sleep", "tar", "test", "touch", "tr", "true", "wc", "wget"]


class DockerEngine:
    """A running engine. `host` is what `DOCKER_HOST` wants; `bridged` tells whether containers have a network."""

    def __init__(self, folder: Path, *, bridged: bool) -> None:
        self.socket = folder / "docker.sock"
        self.bridged = bridged
        # Log-ins of the docker client go here, not to the home folder.
        self.client_config = folder / "client"
        self.client_config.mkdir()

    @property
    def host(self) -> str:
        """`unix:///…/docker.sock`"""
        return f"unix://{self.socket}"

    def docker(self, *arguments: str | Path, stdin: bytes | None = None, check: bool = True) -> str:
        """Run the docker client; returns what it printed. A failure raises `DockerFailed` with all of its output."""
        done = self._run(arguments, stdin=stdin)
        if check and done.returncode:
            raise DockerFailed(arguments, done)
        return done.stdout.decode(errors="replace").strip()

    def refused(self, *arguments: str | Path) -> str:
        """Run the docker client, expecting it to fail; returns what it complained of."""
        done = self._run(arguments)
        if not done.returncode:
            raise AssertionError(f"docker {arguments[0]} succeeded")
        return done.stderr.decode(errors="replace")

    def _run(
        self, arguments: tuple[str | Path, ...], stdin: bytes | None = None
    ) -> "subprocess.CompletedProcess[bytes]":
        program = shutil.which("docker") or "docker"
        return subprocess.run(
            [program, "--config", self.client_config, "--host", self.host, *arguments],
            input=stdin if stdin is not None else b"",
            env={**_environment(), "DOCKER_BUILDKIT": "0"},
            capture_output=True,
            timeout=600,
            check=False,
        )

    def import_image(self, name: str, rootfs: bytes | Path, *changes: str) -> str:
        """Make an image from a tar of its root folder and Dockerfile lines such as `CMD …`; returns its id."""
        options = [part for change in changes for part in ("--change", change)]
        if isinstance(rootfs, Path):
            return self.docker("import", *options, rootfs, name)
        return self.docker("import", *options, "-", name, stdin=rootfs)

    def base_image(self, name: str = "base:latest") -> str:
        """Make an image that holds a shell and the usual small commands; returns `name`."""
        self.import_image(name, busybox_rootfs(), 'CMD ["/bin/sh"]', "ENV PATH=/bin")
        return name


class DockerFailed(AssertionError):
    """A docker command failed that should have worked."""

    def __init__(self, arguments: tuple[str | Path, ...], done: "subprocess.CompletedProcess[bytes]") -> None:
        command = " ".join(str(part) for part in arguments)
        said = (done.stdout + done.stderr).decode(errors="replace").strip()
        super().__init__(f"docker {command} → exit {done.returncode}\n{said}")


def busybox_rootfs() -> bytes:
    """A root file system with a static busybox, as an uncompressed tar."""
    program = Path(shutil.which("busybox") or "busybox").read_bytes()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        _add(archive, "bin/busybox", program, mode=0o755)
        for name in _BUSYBOX_NAMES:
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
        _add(archive, "etc/passwd", b"root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n")
        _add(archive, "etc/group", b"root:x:0:\nnogroup:x:65534:\n")
        folder = tarfile.TarInfo("tmp")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
        archive.addfile(folder)
    return out.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes, *, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))


@contextmanager
def docker_engine() -> Iterator[DockerEngine]:
    """Run an engine with its own data, socket, containerd and bridge; it leaves the machine's firewall rules alone."""
    if os.geteuid() != 0:
        raise PermissionError("a Docker engine of one's own needs root: run the tests as root")
    folder = process.scratch_folder("docker")
    bridge, cleanup = _make_bridge()
    engine = DockerEngine(folder, bridged=bridge is not None)
    settings = {
        "data-root": str(folder / "data"),
        "exec-root": str(folder / "exec"),
        "pidfile": str(folder / "docker.pid"),
        "hosts": [engine.host],
        "storage-driver": "overlay2",
        "bridge": bridge or "none",
        "iptables": False,
        "ip6tables": False,
        "ip-masq": False,
        "insecure-registries": ["127.0.0.0/8"],
        "shutdown-timeout": 3,
    }
    file = folder / "daemon.json"
    file.write_text(json.dumps(settings))
    server = process.start(
        "dockerd",
        [shutil.which("dockerd") or "/usr/sbin/dockerd", "--config-file", file],
        ready=lambda: _answers(engine),
        env=_environment(),
        scratch=[folder],
        cleanup=cleanup,
        grace=20,
        deadline=60,
    )
    try:
        yield engine
        _end_containers(engine)
    finally:
        server.stop()


def _end_containers(engine: DockerEngine) -> None:
    # The engine itself would wait ten seconds for each to end politely.
    if containers := engine.docker("ps", "--quiet").split():
        engine.docker("kill", *containers)


def _answers(engine: DockerEngine) -> bool:
    if not engine.socket.exists():
        return False
    return bool(engine.docker("version", "--format", "{{.Server.Version}}", check=False))


def _environment() -> Mapping[str, str]:
    # The engine and its client must not take this machine's settings; runc is in a system folder.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "BUILDKIT_"))}
    return {**kept, "PATH": f"{kept.get('PATH', '')}:/usr/sbin:/sbin"}


def _make_bridge() -> tuple[str | None, list[list[str]]]:
    """A bridge with a subnet that no route covers: (its name, how to remove it), or no bridge where the kernel refuses.

    Made here rather than by the engine, whose own would be the one and only `docker0`.
    """
    name = f"drydock{secrets.token_hex(3)}"
    if not _ip("link", "add", name, "type", "bridge"):
        return None, []
    remove = [["ip", "link", "delete", name]]
    if _ip("address", "add", f"{_free_subnet()}.1/24", "dev", name) and _ip("link", "set", name, "up"):
        return name, remove
    subprocess.run(remove[0], check=True)
    return None, []


def _free_subnet() -> str:
    routes = subprocess.run(["ip", "-4", "route"], check=True, capture_output=True, text=True).stdout
    free = [f"10.213.{third}" for third in range(256) if f"10.213.{third}." not in routes]
    return secrets.choice(free)


def _ip(*arguments: str) -> bool:
    return subprocess.run(["ip", *arguments], check=False, capture_output=True).returncode == 0
