"""The other clients' command lines, kept from the machine's own configuration and storage."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any


class ToolFailed(AssertionError):
    """A command failed that should have worked."""


class Tools:
    """skopeo, podman, buildah and ctr. Everything they keep is below `folder`."""

    def __init__(self, folder: Path, *, docker_host: str, containerd: Path) -> None:
        self.folder = folder
        self._docker_host = docker_host
        self._containerd = containerd
        self._policy = folder / "policy.json"
        self._policy.write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
        self._environment = self._configured()

    def skopeo(self, command: str, *arguments: str | Path) -> str:
        """Run `skopeo COMMAND` with the registry's plain HTTP allowed."""
        return self._run(["skopeo", "--policy", self._policy, command, *_plain_skopeo(command), *arguments])

    def skopeo_json(self, command: str, *arguments: str | Path) -> Any:
        """What `skopeo COMMAND` prints, parsed."""
        return json.loads(self.skopeo(command, *arguments))

    def skopeo_refused(self, command: str, *arguments: str | Path) -> str:
        """What skopeo complains of."""
        return self._refused(["skopeo", "--policy", self._policy, command, *_plain_skopeo(command), *arguments])

    def daemon_source(self) -> tuple[str, str]:
        """Options for a copy from the Docker engine."""
        return "--src-daemon-host", self._docker_host

    def podman(self, *arguments: str | Path) -> str:
        return self._run(["podman", *self._storage(), "--tmpdir", self.folder / "podman", *arguments])

    def podman_refused(self, *arguments: str | Path) -> str:
        return self._refused(["podman", *self._storage(), "--tmpdir", self.folder / "podman", *arguments])

    def buildah(self, *arguments: str | Path) -> str:
        return self._run(["buildah", *self._storage(), *arguments])

    def ctr(self, *arguments: str | Path) -> str:
        return self._run(["ctr", "--address", self._containerd, *arguments])

    def ctr_refused(self, *arguments: str | Path) -> str:
        return self._refused(["ctr", "--address", self._containerd, *arguments])

    def _storage(self) -> list[str | Path]:
        root = self.folder / "containers"
        return ["--root", root / "root", "--runroot", root / "run", "--storage-driver", "vfs"]

    def _configured(self) -> dict[str, str]:
        # Locks and events in files: the default is shared memory and a journal, which the whole machine shares.
        settings = '[engine]\nlock_type = "file"\nevents_logger = "file"\ncgroup_manager = "cgroupfs"\n'
        file = self.folder / "containers.conf"
        file.write_text(settings)
        logins = self.folder / "auth.json"
        logins.write_text("{}")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "CONTAINER"))}
        places = {"HOME": self.folder, "TMPDIR": self.folder, "XDG_RUNTIME_DIR": self.folder}
        return {
            **kept,
            **{name: str(place) for name, place in places.items()},
            "CONTAINERS_CONF": str(file),
            "REGISTRY_AUTH_FILE": str(logins),
        }

    def _run(self, command: list[str | Path]) -> str:
        done = self._start(command)
        if done.returncode:
            raise ToolFailed(f"{_shown(command)} → exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def _refused(self, command: list[str | Path]) -> str:
        done = self._start(command)
        if not done.returncode:
            raise AssertionError(f"{_shown(command)} succeeded\n{done.stdout}{done.stderr}")
        return done.stderr

    def _start(self, command: list[str | Path]) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command, env=self._environment, cwd=self.folder, capture_output=True, text=True, timeout=120, check=False
        )


def _shown(command: list[str | Path]) -> str:
    return " ".join(str(part) for part in command)


def _plain_skopeo(command: str) -> list[str]:
    if command == "copy":
        return ["--src-tls-verify=false", "--dest-tls-verify=false"]
    return ["--tls-verify=false"]
