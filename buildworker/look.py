"""A look into a git repository before anything is built from it: its branches and tags, its Dockerfiles."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath

from buildworker import git
from buildworker.checkout import Store, Wanted
from buildworker.dockerfile import is_dockerfile
from buildworker.git import Limits, Source
from buildworker.outbound import Outbound
from models.errors import Invalid

LONGEST_S = 30.0
"""Somebody waits for the answer."""
MOST_BYTES = 128 * 1024 * 1024
LONGEST_DOCKERFILE = 1024 * 1024
_HEADS, _TAGS = "refs/heads/", "refs/tags/"


@dataclass(frozen=True)
class Refs:
    """What a repository has. `default`: the branch that HEAD stands for, if it says so."""

    branches: dict[str, str]
    tags: dict[str, str]
    default: str | None

    def commit(self, kind: str, name: str) -> str:
        """What the branch or tag names; Invalid."""
        found = (self.branches if kind == "branch" else self.tags).get(name)
        if found is None:
            raise Invalid(f"refs: the repository has no {kind} {name}")
        return found


@dataclass(frozen=True)
class Files:
    """The newest commit of the default branch, opened."""

    store: Store
    sha: str

    def dockerfiles(self) -> list[str]:
        """The paths of all Dockerfiles, from the root, in order."""
        paths = [path for kind, _, _, path in self.store.entries(self.sha) if kind == "blob"]
        return sorted(f"/{path}" for path in paths if is_dockerfile(PurePosixPath(path).name))

    def text(self, path: str) -> str:
        """A Dockerfile's text; GitFailed, Invalid."""
        text = self.store.read(self.sha, path)
        if len(text) > LONGEST_DOCKERFILE:
            raise Invalid(f"dockerfile_path: {path} is larger than {LONGEST_DOCKERFILE} characters")
        return text


def limits() -> Limits:
    """What a look may cost."""
    return Limits(time.monotonic() + LONGEST_S, MOST_BYTES)


def refs(outbound: Outbound, source: Source) -> Refs:
    """The repository's branches and tags. GitFailed, Invalid, Upstream."""
    found = git.list_refs(outbound, source, limits())
    head = found.get("HEAD", "")
    return Refs(
        branches={ref.removeprefix(_HEADS): sha for ref, sha in found.items() if ref.startswith(_HEADS)},
        tags={ref.removeprefix(_TAGS): sha for ref, sha in found.items() if ref.startswith(_TAGS)},
        default=head.removeprefix(_HEADS) if head.startswith(_HEADS) else None,
    )


@contextmanager
def files(outbound: Outbound, source: Source) -> Iterator[Files]:
    """The files of the default branch. GitFailed, Invalid, Upstream."""
    found = refs(outbound, source)
    name = found.default or next(iter(found.branches), None)
    if name is None or name not in found.branches:
        raise Invalid("build_source: the repository has no branch")
    allowed = limits()
    with git.opened(outbound, source, allowed) as repository:
        store = Store(repository, allowed)
        yield Files(store, store.fetch(Wanted(found.branches[name], _HEADS + name)))


def contexts(dockerfile: str) -> list[str]:
    """The folders that a Dockerfile may be built in: its own and those around it, from the root."""
    parents = PurePosixPath(dockerfile).parents
    return [str(folder) for folder in reversed(parents)]
