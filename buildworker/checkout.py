"""The files of one commit of a git repository, in a folder: what a build has for its source."""

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from buildworker import git
from buildworker.git import Git, GitFailed, Limits, Source
from buildworker.outbound import Outbound
from models.errors import Exceeded, Invalid

_FULL = re.compile(r"[0-9a-fA-F]{40}(?:[0-9a-fA-F]{24})?")
# What servers say that give a commit only by a ref, or do not have it.
_NOT_GIVEN = re.compile(r"not our ref|unadvertised object|find remote ref|does not allow", re.IGNORECASE)
_DEEPEST = 3
_MOST_SUBMODULES = 50
_LONGEST_MESSAGE = 4096


@dataclass(frozen=True)
class Commit:
    """The commit that was fetched. `known_hosts`: what is known now of the ssh server's keys."""

    sha: str
    message: str
    author: str
    date: str
    known_hosts: str


@dataclass(frozen=True)
class Wanted:
    """A commit, by its hash or the beginning of it; `ref`: where it is, if that is known."""

    commit: str
    ref: str | None = None
    submodules: bool = True


def fetch(
    outbound: Outbound, source: Source, wanted: Wanted, into: Path, limits: Limits, *, max_entries: int
) -> Commit:
    """Write the commit's files into the folder `into`, without history. GitFailed, Invalid, Upstream, Cancelled.

    What git needs meanwhile is beside `into`: nobody would look for what a worker that is killed leaves elsewhere.
    """
    return _Fetch(outbound, limits, max_entries, into.parent).into(source, wanted, into, depth=0)


class _Fetch:
    """One fetch with its submodules, which share its limits. `scratch`: where git may have folders of its own."""

    def __init__(self, outbound: Outbound, limits: Limits, max_entries: int, scratch: Path) -> None:
        self._outbound = outbound
        self._scratch = scratch
        self._limits = limits
        self._entries_left = max_entries
        self._bytes_left = limits.max_bytes
        self._submodules_left = _MOST_SUBMODULES

    def into(self, source: Source, wanted: Wanted, folder: Path, *, depth: int) -> Commit:
        with git.opened(self._outbound, source, self._limits, self._scratch) as repository:
            store = Store(repository, self._limits)
            sha = store.fetch(wanted)
            gitlinks = self._count(store, sha)
            repository.run(*store.here, f"--work-tree={folder}", "checkout", "--force", sha, "--", ".")
            if wanted.submodules and gitlinks:
                self._submodules(store, sha, gitlinks, parent=source, folder=folder, depth=depth)
            return store.describe(sha)

    def _count(self, store: "Store", sha: str) -> dict[str, str]:
        """Check how much would be written, and return the submodules' commits by path."""
        gitlinks: dict[str, str] = {}
        for kind, name, size, path in store.entries(sha):
            self._entries_left -= 1
            self._bytes_left -= size
            if kind == "commit":
                gitlinks[path] = name
        if self._entries_left < 0:
            raise Exceeded("build_source: the commit has more files than allowed")
        if self._bytes_left < 0:
            raise Exceeded(
                f"build_source: the commit's files are larger than the {self._limits.max_bytes} bytes allowed"
            )
        return gitlinks

    def _submodules(
        self, store: "Store", sha: str, gitlinks: dict[str, str], *, parent: Source, folder: Path, depth: int
    ) -> None:
        for path, url in store.submodules(sha):
            if path not in gitlinks:
                continue
            self._submodules_left -= 1
            if depth >= _DEEPEST or self._submodules_left < 0:
                raise Exceeded(
                    f"build_source: more than {_MOST_SUBMODULES} submodules, or {_DEEPEST} inside each other"
                )
            try:
                source = submodule_source(parent, url)
                self.into(source, Wanted(gitlinks[path]), _inside(folder, path), depth=depth + 1)
            except (GitFailed, Invalid) as exc:
                raise GitFailed(f"submodule {path}: {exc.detail}") from exc


class Store:
    """A bare repository that takes in what is fetched."""

    def __init__(self, repository: Git, limits: Limits) -> None:
        self._git = repository
        self._folder = repository.folder / "store"
        self._limits = limits
        self.here = (f"--git-dir={self._folder}",)
        repository.run("init", "--quiet", "--bare", str(self._folder))

    def fetch(self, wanted: Wanted) -> str:
        """Bring the commit here, and nothing but it where the server allows that; its full hash."""
        if _FULL.fullmatch(wanted.commit):
            for target in (wanted.commit, wanted.ref):
                if target and self._brought(target, wanted.commit):
                    return wanted.commit.lower()
        self._run_fetch("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
        try:
            return self._git.run(*self.here, "rev-parse", "--verify", "--quiet", f"{wanted.commit}^{{commit}}").strip()
        except GitFailed as exc:
            raise GitFailed(f"The commit {wanted.commit} is on no branch or tag of the repository") from exc

    def _brought(self, target: str, commit: str) -> bool:
        """Whether fetching `target` alone brought the commit; some servers give no commit that no ref names."""
        try:
            self._run_fetch(target, depth=1)
        except GitFailed as exc:
            if not _NOT_GIVEN.search(exc.detail):
                raise
            return False
        found = self._git.run(
            *self.here, "cat-file", "--batch-all-objects", "--batch-check=%(objectname) %(objecttype)"
        )
        return f"{commit.lower()} commit\n" in found

    def _run_fetch(self, *refs: str, depth: int | None = None) -> None:
        shallow = [f"--depth={depth}"] if depth else []
        options = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-gc", *shallow)
        self._git.run(*self.here, "fetch", *options, "--", self._git.remote, *refs, watched=self._folder)

    def entries(self, sha: str) -> Iterator[tuple[str, str, int, str]]:
        """(kind, hash, size, path) of everything in the commit."""
        for line in self._git.run(*self.here, "ls-tree", "-r", "-l", "-z", sha).split("\0"):
            if line:
                facts, _, path = line.partition("\t")
                _, kind, name, size = facts.split()
                yield kind, name, int(size) if size.isdigit() else 0, path

    def submodules(self, sha: str) -> list[tuple[str, str]]:
        """(path, URL) of each that the commit declares."""
        blob = f"{sha}:.gitmodules"
        try:
            printed = self._git.run(*self.here, "config", "--blob", blob, "--list", "-z")
        except GitFailed:
            return []
        told: dict[str, dict[str, str]] = {}
        for line in printed.split("\0"):
            key, _, value = line.partition("\n")
            if key.startswith("submodule."):
                name, _, what = key.removeprefix("submodule.").rpartition(".")
                told.setdefault(name, {})[what] = value
        return [(each["path"], each["url"]) for each in told.values() if {"path", "url"} <= each.keys()]

    def read(self, sha: str, path: str) -> str:
        """A file of the commit, as text; GitFailed if there is none."""
        return self._git.run(*self.here, "cat-file", "blob", f"{sha}:{path.strip('/')}")

    def describe(self, sha: str) -> Commit:
        printed = self._git.run(*self.here, "log", "-1", "--no-show-signature", "--format=%an%x00%aI%x00%B", sha)
        author, date, message = printed.split("\0", 2)
        known = self._git.learnt_hosts()
        return Commit(sha, _text(message.strip())[:_LONGEST_MESSAGE], _text(author), _text(date), known)


def _text(printed: str) -> str:
    return printed.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def submodule_source(parent: Source, url: str) -> Source:
    """The submodule's source. What opens the parent is shown to no other host, nor to another server there."""
    base = git.address_of(parent.url)
    if url.startswith(("./", "../")):
        url = replace(base, path=posixpath.normpath(posixpath.join(base.path, url))).url()
    found = git.address_of(url, subject="submodule")
    if found.host != base.host:
        return Source(url)
    # The key itself is shown to nobody, the token is: over what is encrypted, or as for the parent.
    same = (found.scheme, found.port) in (("https", 443), (base.scheme, base.port))
    return replace(parent, url=url, auth_token=parent.auth_token if same else "")


def _inside(folder: Path, path: str) -> Path:
    """The submodule's folder, which checking out has made; Invalid if it leads out through a link."""
    target = folder
    for part in path.split("/"):
        target = target / part
        if part in ("", ".", "..") or target.is_symlink():
            raise Invalid("build_source: a submodule's path leads out of the repository")
    target.mkdir(exist_ok=True, parents=True)
    if any(target.iterdir()):
        raise Invalid("build_source: a submodule's folder is not empty")
    return target
