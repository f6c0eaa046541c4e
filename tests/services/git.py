"""Git repositories with commits in them, and the servers that people have for them: git daemon, HTTP, ssh."""

import base64
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.services import process
from tests.services.ports import free_port, listening

_HTTP = Path(__file__).with_name("git_http.py")
_ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{who}_NAME": "Ada" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_EMAIL": "ada@example.com" for who in ("AUTHOR", "COMMITTER")},
}


class Repository:
    """A bare repository below a root folder that servers share, and a working tree to commit from."""

    def __init__(self, root: Path, name: str) -> None:
        self.name = name
        self.path = root / name
        self._tree = root.parent / f"{name.replace('/', '-')}.tree"
        self._git("init", "--quiet", "--bare", "--initial-branch=main", self.path, cwd=root)
        # Any commit may be asked for by its hash, as on the forges.
        self._git("config", "uploadpack.allowAnySHA1InWant", "true", cwd=self.path)
        self._git("clone", "--quiet", self.path, self._tree, cwd=root)

    def commit(self, files: Mapping[str, str], message: str = "change", *, branch: str = "main") -> str:
        """Write the files, commit and push them; the commit's hash."""
        self._git("checkout", "--quiet", "-B", branch)
        for name, text in files.items():
            file = self._tree / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        self._git("add", "--all")
        self._git("commit", "--quiet", "--allow-empty", "-m", message)
        self._git("push", "--quiet", "origin", branch)
        return self._git("rev-parse", "HEAD")

    def tag(self, name: str) -> None:
        """An annotated tag of the last commit."""
        self._git("tag", "-a", name, "-m", name)
        self._git("push", "--quiet", "origin", name)

    def submodule(self, url: str, path: str) -> str:
        """Commit a submodule as `.gitmodules` of people have it; the commit's hash."""
        commit = self._git("ls-remote", "--", url, "HEAD").split()[0]
        self._git("update-index", "--add", "--cacheinfo", f"160000,{commit},{path}")
        (self._tree / ".gitmodules").write_text(f'[submodule "{path}"]\n\tpath = {path}\n\turl = {url}\n')
        self._git("add", ".gitmodules")
        self._git("commit", "--quiet", "-m", "a submodule")
        self._git("push", "--quiet", "origin", "main")
        return self._git("rev-parse", "HEAD")

    def bomb(self) -> str:
        """Commit folders that have the same ten folders in them, eight deep: a hundred million files in ten objects."""
        found, kind = self._git("hash-object", "-w", "--stdin", stdin="x"), "100644 blob"
        for _ in range(8):
            listed = "".join(f"{kind} {found}\t{number}\n" for number in range(10))
            found, kind = self._git("mktree", stdin=listed), "040000 tree"
        commit = self._git("commit-tree", "-m", "a bomb", found)
        self._git("push", "--quiet", "origin", f"{commit}:refs/heads/main")
        return commit

    def _git(self, *arguments: object, cwd: Path | None = None, stdin: str = "") -> str:
        done = subprocess.run(
            ["git", *map(str, arguments)],
            cwd=cwd or self._tree,
            env=os.environ | _ENVIRONMENT,
            input=stdin,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()


@dataclass(frozen=True)
class GitServer:
    """A server of everything below its root; `url(name)` is where a repository is."""

    base: str

    def url(self, name: str) -> str:
        return f"{self.base}/{name}"


@contextmanager
def git_daemon(root: Path) -> Iterator[GitServer]:
    """`git daemon`, open to everybody."""
    port = free_port()
    argv = [
        "git",
        "daemon",
        "--reuseaddr",
        "--export-all",
        "--listen=127.0.0.1",
        f"--port={port}",
        f"--base-path={root}",
    ]
    server = process.start("git daemon", [*argv, root], ready=lambda: listening(port))
    try:
        yield GitServer(f"git://127.0.0.1:{port}")
    finally:
        server.stop()


@contextmanager
def git_http(root: Path, *, token: str) -> Iterator[GitServer]:
    """`git http-backend` behind HTTP basic authentication: any name, the token as the password."""
    port = free_port()
    expected = base64.b64encode(f"x-token-auth:{token}".encode()).decode()
    argv = [shutil.which("python3") or "python3", _HTTP, str(port), root, f"Basic {expected}"]
    server = process.start("git http-backend", argv, ready=lambda: listening(port))
    try:
        yield GitServer(f"http://127.0.0.1:{port}")
    finally:
        server.stop()


@dataclass(frozen=True)
class SshServer(GitServer):
    """`admit` lets a key in; `host_key` is what the server shows, as a line of `known_hosts`."""

    authorized: Path
    host_key: str

    def admit(self, public_key: str) -> None:
        self.authorized.write_text(public_key + "\n")


@contextmanager
def git_ssh(root: Path) -> Iterator[SshServer]:
    """sshd that lets keys in which `admit` names."""
    port = free_port()
    folder = process.scratch_folder("sshd")
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "host"], check=True, capture_output=True
    )
    authorized = folder / "authorized_keys"
    authorized.touch(mode=0o600)
    lines = {
        "ListenAddress": f"127.0.0.1:{port}",
        "HostKey": folder / "host",
        "AuthorizedKeysFile": authorized,
        "PidFile": "none",
        "StrictModes": "no",
        "UsePAM": "no",
        "PermitRootLogin": "prohibit-password",
        "PasswordAuthentication": "no",
    }
    config = folder / "config"
    config.write_text("".join(f"{name} {value}\n" for name, value in lines.items()))
    Path("/run/sshd").mkdir(exist_ok=True)  # where sshd insists on separating privileges
    program = shutil.which("sshd") or "/usr/sbin/sshd"
    server = process.start("sshd", [program, "-D", "-e", "-f", config], ready=lambda: listening(port), scratch=[folder])
    host_key = " ".join((folder / "host.pub").read_text().split()[:2])
    try:
        user = os.environ.get("USER", "root")
        yield SshServer(f"ssh://{user}@127.0.0.1:{port}{root}", authorized, f"[127.0.0.1]:{port} {host_key}\n")
    finally:
        server.stop()
