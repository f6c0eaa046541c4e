"""What an image was made of and by whom: the inputs of a build, and the statement about them that goes with the image.

The statement is an in-toto Statement v1 with SLSA's provenance v1 as its predicate. Whoever may pull the image may read
it, so nothing that could be secret gets in: no query of an archive's address, no user of a git server, no secrets.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:drydock:build:dockerfile:v1"
"""Says how to read `externalParameters`: the keys of a build's REST request."""


@dataclass(frozen=True)
class Material:
    """Something that went into the image: where it came from, and its digest by the name of the algorithm, if known."""

    uri: str
    digest: Mapping[str, str] = field(default_factory=dict)
    name: str | None = None

    def view(self) -> dict[str, Any]:
        """As in a statement, where what is not known is left out."""
        return {key: value for key, value in asdict(self).items() if value}


@dataclass
class Inputs:
    """What a build is made of, as far as it is known by now."""

    parameters: dict[str, Any] = field(default_factory=dict)
    source: Material | None = None
    dockerfile: Material | None = None
    bases: list[Material] = field(default_factory=list)
    engine: dict[str, str] = field(default_factory=dict)

    @property
    def materials(self) -> list[Material]:
        return [each for each in (self.source, self.dockerfile, *self.bases) if each]

    def view(self) -> dict[str, Any]:
        """As they are kept with the build."""
        return {
            "parameters": self.parameters,
            "materials": [material.view() for material in self.materials],
            "engine": self.engine,
        }


def archive(url: str, sha256: str) -> Material:
    """A source archive that was downloaded."""
    return Material(_public(url), {"sha256": sha256}, "source")


def commit(url: str, sha: str) -> Material:
    """A commit of a git repository."""
    address = _public(url) if "://" in url else url.rpartition("@")[2]
    algorithm = "gitCommit" if len(sha) == 40 else "sha256"
    return Material(f"git+{address}@{sha}", {algorithm: sha}, "source")


def dockerfile(path: str, content: bytes) -> Material:
    """The Dockerfile, `path` as it was asked for."""
    return Material(f"file:{path}", {"sha256": hashlib.sha256(content).hexdigest()}, "Dockerfile")


def base(image: str, digest: str | None) -> Material:
    """An image that the Dockerfile names; `digest` is that of its manifest."""
    algorithm, _, value = (digest or "").partition(":")
    return Material(f"docker://{image}", {algorithm: value} if value else {}, "base image")


@dataclass(frozen=True)
class Run:
    """One build: the image it made, who ran it, when. `builder` and `invocation` are URLs."""

    image: str
    digest: str
    builder: str
    invocation: str
    started: datetime
    finished: datetime


def statement(inputs: Inputs, run: Run) -> dict[str, Any]:
    """The statement that `run` made its image of these inputs."""
    algorithm, _, value = run.digest.partition(":")
    definition = {
        "buildType": BUILD_TYPE,
        "externalParameters": inputs.parameters,
        "internalParameters": {"engine": inputs.engine},
        "resolvedDependencies": [material.view() for material in inputs.materials],
    }
    details = {
        "builder": {"id": run.builder},
        "metadata": {
            "invocationId": run.invocation,
            "startedOn": _moment(run.started),
            "finishedOn": _moment(run.finished),
        },
    }
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": run.image, "digest": {algorithm: value}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {"buildDefinition": definition, "runDetails": details},
    }


def _moment(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def _public(url: str) -> str:
    """The address without what may open it: user, password and query."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
