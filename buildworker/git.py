"""Git, as far as builds need it: the refs of a repository somewhere else, and the files of one commit of it.

A repository is whatever its owner put there, and its address whatever a user typed. So git runs without hooks, filters,
helpers and anybody's configuration, for the protocols named here alone, and connects to the addresses that
`outbound` has checked; what it may fetch is limited in bytes and time.
"""

import base64
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO
from urllib.parse import urlsplit, urlunsplit

from buildworker.outbound import Outbound
from buildworker.output import clean
from buildworker.watch import CHECK_EVERY_S, Cancelled, never
from models.errors import DomainError, Exceeded, Invalid, Upstream

_PORTS = {"https": 443, "http": 80, "ssh": 22, "git": 9418}
_SCP = re.compile(r"(?:([A-Za-z0-9._-]+)@)?([A-Za-z0-9.-]+):(?!//)(.+)", re.DOTALL)
_SETTINGS = {
    "protocol.allow": "never",
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.autocrlf": "false",
    "core.protectNTFS": "false",
    "credential.helper": "",
    "fetch.recurseSubmodules": "false",
    "fetch.unpackLimit": "1",  # what comes stays one file, whose size can be watched
    "gc.auto": "0",
    "http.followRedirects": "false",  # to a host that nobody has checked
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "60",
    "http.proxy": "",
    "submodule.recurse": "false",
    "transfer.bundleURI": "false",
}
_OUTPUT_LIMIT = 32 * 1024 * 1024
_LONGEST_COMPLAINT = 600


class GitFailed(DomainError):
    """Git could not do it: the repository, its server or the credentials are to blame."""


@dataclass(frozen=True)
class Source:
    """Where a repository is, and what opens it.

    `auth_token`: for https, `name:password` or a token alone. `known_hosts`: the keys that its ssh server may have, as
    ssh keeps them; if there are none, the first key is believed.
    """

    url: str
    private_key: str = field(default="", repr=False)
    auth_token: str = field(default="", repr=False)
    known_hosts: str = ""


@dataclass(frozen=True)
class Limits:
    """`deadline` is a `time.monotonic()` value."""

    deadline: float
    max_bytes: int
    cancelled: Callable[[], bool] = never


@dataclass(frozen=True)
class Address:
    """A git URL taken apart; `user` only for ssh."""

    scheme: str
    host: str
    port: int
    path: str
    user: str | None = None

    def url(self, host: str | None = None) -> str:
        name = host or self.host
        name = f"[{name}]" if ":" in name else name
        netloc = f"{self.user}@{name}" if self.user else name
        return urlunsplit((self.scheme, f"{netloc}:{self.port}", self.path, "", ""))


def address_of(url: str, *, subject: str = "build_source") -> Address:
    """The parts of a git URL, `user@host:path` among them; Invalid."""
    expected = Invalid(f"{subject}: expected an address such as https://host/path or git@host:path")
    if "://" not in url and (found := _SCP.fullmatch(url)):
        path = found[3] if found[3].startswith("/") else f"/{found[3]}"
        return Address("ssh", found[2], 22, path, found[1] or "git")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise expected from error
    if parts.scheme not in _PORTS or not parts.hostname or parts.path in ("", "/"):
        raise expected
    user = (parts.username or "git") if parts.scheme == "ssh" else None
    return Address(parts.scheme, parts.hostname, port or _PORTS[parts.scheme], parts.path, user)


class Git:
    """Git commands on one remote repository. Use as a context; its own folder goes at the end."""

    def __init__(self, outbound: Outbound, source: Source, limits: Limits, folder: Path) -> None:
        self._limits = limits
        self.folder = folder
        self._output, self._errors = folder / "output", folder / "errors"
        given = address_of(source.url)
        host, addresses = outbound.look_up(given.host, given.port, subject="build_source")
        self._address = replace(given, host=host)
        self._known_hosts = folder / "known_hosts"
        self._settings = dict(_SETTINGS)
        self._environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "true",
            "GIT_ADVICE": "0",
        }
        self._prepare(source, addresses)

    def _prepare(self, source: Source, addresses: Sequence[str]) -> None:
        where = self._address
        self._settings[f"protocol.{where.scheme}.allow"] = "always"
        self.remote = where.url()
        if where.scheme in ("http", "https"):
            shown = ",".join(f"[{each}]" if ":" in each else each for each in addresses)
            self._settings["http.curloptResolve"] = f"{where.host}:{where.port}:{shown}"
            if source.auth_token:
                self._settings["http.extraHeader"] = f"Authorization: Basic {_basic(source.auth_token)}"
        elif where.scheme == "git":
            self.remote = where.url(addresses[0])
        else:
            self._environment |= {"GIT_SSH_COMMAND": self._ssh(source, addresses[0]), "GIT_SSH_VARIANT": "ssh"}

    def _ssh(self, source: Source, address: str) -> str:
        key = self.folder / "key"
        key.touch(mode=0o600)
        key.write_text(source.private_key)
        self._known_hosts.write_text(source.known_hosts)
        where = self._address
        options = {
            "IdentityFile": _for_ssh(key) if source.private_key else "none",
            "IdentitiesOnly": "yes",
            "UserKnownHostsFile": _for_ssh(self._known_hosts),
            "GlobalKnownHostsFile": os.devnull,
            "StrictHostKeyChecking": "yes" if source.known_hosts.strip() else "accept-new",
            "HashKnownHosts": "no",
            "UpdateHostKeys": "no",
            "BatchMode": "yes",
            "HostName": address,
            "HostKeyAlias": where.host if where.port == _PORTS["ssh"] else f"[{where.host}]:{where.port}",
            "ConnectTimeout": "15",
            "ServerAliveInterval": "15",
            "ClearAllForwardings": "yes",
            "PermitLocalCommand": "no",
            "ProxyCommand": "none",
        }
        given = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
        return shlex.join(["ssh", "-F", os.devnull, *given])

    def learnt_hosts(self) -> str:
        """The ssh server's keys as they are known now; empty where ssh had no part in it."""
        return self._known_hosts.read_text() if self._known_hosts.exists() else ""

    def run(self, *arguments: str, watched: Path | None = None) -> str:
        """What the command prints. GitFailed with git's own complaint; Cancelled.

        `watched`: a folder that may not grow beyond the limit (Invalid).
        """
        with self._output.open("wb") as out, self._errors.open("w+b") as errors:
            self._check(watched)
            process = self._start(arguments, out, errors)
            try:
                self._wait(process, watched)
            finally:
                _end(process)
            if process.returncode:
                command = next(word for word in arguments if not word.startswith("--"))
                raise GitFailed(f"git {command}: {_complaint(errors, self.folder)}")
        self._check_output()
        return self._output.read_text(errors="surrogateescape")

    def _start(self, arguments: Sequence[str], out: BinaryIO, errors: BinaryIO) -> "subprocess.Popen[bytes]":
        try:
            return subprocess.Popen(  # noqa: S603 - a list; what users name in it comes after `--` or is checked
                ["git", *arguments],  # noqa: S607 - the one on PATH
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
                env=self._environment | _as_environment(self._settings),
                cwd=self.folder,
                start_new_session=True,
            )
        except FileNotFoundError as exc:
            raise Upstream("git is not installed where builds are prepared; install it there") from exc

    def _wait(self, process: "subprocess.Popen[bytes]", watched: Path | None) -> None:
        while True:
            try:
                process.wait(timeout=CHECK_EVERY_S / 2)
            except subprocess.TimeoutExpired:
                self._check(watched)
            else:
                return

    def _check(self, watched: Path | None) -> None:
        if self._limits.cancelled():
            raise Cancelled
        if time.monotonic() > self._limits.deadline:
            raise Upstream("build_source: fetching the repository took longer than the time allowed")
        self._check_output()
        if watched and _size(watched) > self._limits.max_bytes:
            raise Exceeded(f"build_source: the repository is larger than the {self._limits.max_bytes} bytes allowed")

    def _check_output(self) -> None:
        """A repository of a few bytes can name billions of files, and a server say as much as it likes."""
        if self._output.stat().st_size + self._errors.stat().st_size > _OUTPUT_LIMIT:
            raise Exceeded("build_source: the repository has too many files or refs")


@contextmanager
def opened(outbound: Outbound, source: Source, limits: Limits, parent: Path | None = None) -> Iterator[Git]:
    """Git for this repository, in a folder of its own below `parent`. Invalid: the address; Upstream."""
    with TemporaryDirectory(prefix="git-", dir=parent) as folder:
        yield Git(outbound, source, limits, Path(folder))


def list_refs(outbound: Outbound, source: Source, limits: Limits) -> dict[str, str]:
    """The commit of each branch and tag, by full ref; of `HEAD`, if there is one, the ref it stands for.

    An annotated tag's is the commit that it names. GitFailed, Invalid, Upstream.
    """
    with opened(outbound, source, limits) as git:
        printed = git.run("ls-remote", "--symref", "--", git.remote)
    refs: dict[str, str] = {}
    for line in printed.splitlines():
        value, _, name = line.partition("\t")
        if value.startswith("ref: ") and name == "HEAD":
            refs["HEAD"] = value.removeprefix("ref: ")
        elif name.startswith(("refs/heads/", "refs/tags/")):
            refs[name.removesuffix("^{}")] = value
    return refs


def _basic(token: str) -> str:
    pair = token if ":" in token else f"x-token-auth:{token}"
    return base64.b64encode(pair.encode()).decode()


def _for_ssh(path: Path) -> str:
    """A path as ssh reads it in an option: quoted for its spaces, and without a meaning for percent signs."""
    return '"{}"'.format(str(path).replace("%", "%%"))


def _as_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Settings the way no other process on the machine can read them, as it could a command line."""
    pairs = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings.items()):
        pairs |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return pairs


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Whatever git started ends with it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _size(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(Path(parent, name)).st_size
            except FileNotFoundError:  # git has renamed it meanwhile
                continue
    return total


def _complaint(errors: BinaryIO, folder: Path) -> str:
    """What git said, without the names of this machine's folders."""
    errors.seek(0)
    said = errors.read(_OUTPUT_LIMIT).decode(errors="replace").replace(str(folder), "…")
    lines = [line for line in said.splitlines() if line.strip() and not line.startswith("Warning: Permanently added")]
    told = clean(" ".join(line.strip() for line in lines[-4:]))  # part of it is what the server said
    return told[-_LONGEST_COMPLAINT:] or "it failed without a word"
