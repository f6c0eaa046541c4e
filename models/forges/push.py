"""A push, whichever forge told of it, and the reasons to start no build for one."""

import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jsonschema

from models.errors import Invalid

Json = dict[str, Any]
SHA = r"^([A-Fa-f0-9]{7,})$"
REF = r"^refs/(heads|tags|remotes)/(.+)$"
LONGEST_TEXT = 4096
"""Characters that are kept of what a push tells beside commit and ref: every build and notification repeats them."""
LONGEST_REF = 1024
NO_COMMIT = re.compile(r"0{40,64}")
_SKIP = re.compile(r"\[(skip build|build skip)\]", re.IGNORECASE)


class Ignored(Exception):
    """A delivery that is in order and starts nothing; the text tells why."""


@dataclass(frozen=True)
class Person:
    """Who wrote or committed, as far as the forge tells; named by the account there."""

    username: str
    url: str | None = None
    avatar_url: str | None = None

    def view(self) -> Json:
        told = {"username": self.username, "url": self.url, "avatar_url": self.avatar_url}
        return {name: value[:LONGEST_TEXT] for name, value in told.items() if value}


@dataclass(frozen=True)
class Commit:
    """What a forge tells about a commit beside its hash."""

    message: str
    url: str | None = None
    date: str | None = None
    author: Person | None = None
    committer: Person | None = None

    def view(self) -> Json:
        texts = {"message": self.message, "url": self.url, "date": self.date}
        told: Json = {name: value[:LONGEST_TEXT] for name, value in texts.items() if value is not None}
        for role, person in (("author", self.author), ("committer", self.committer)):
            told[role] = person.view() if person else None
        return {name: value for name, value in told.items() if value is not None}


@dataclass(frozen=True)
class Push:
    """A branch or tag names this commit now. `git_url`: where to fetch it, if the forge says so."""

    commit: str
    ref: str
    default_branch: str | None = None
    git_url: str | None = None
    info: Commit | None = None

    def metadata(self, git_url: str) -> Json:
        """What a build remembers of it, in Quay's form."""
        told: Json = {
            "commit": self.commit,
            "ref": self.ref,
            "git_url": git_url,
            "default_branch": self.default_branch and self.default_branch[:LONGEST_TEXT],
        }
        if self.info:
            told["commit_info"] = self.info.view() | {"short_sha": self.commit[:7]}
        return {name: value for name, value in told.items() if value is not None}


Headers = Mapping[str, str]


@dataclass(frozen=True)
class Forge:
    """How a forge delivers. `event_header`, `delivery_header`: where it names the kind and the single delivery.

    Names of headers are in lower case. `verify(headers, body, secret)`: whether the delivery is signed with the secret;
    None if it is not signed at all. `read(event, payload)`: the push that the payload tells of; `Ignored`, `Invalid`.
    """

    read: Callable[[str, Json], Push]
    verify: Callable[[Headers, bytes, str], bool | None]
    event_header: str = ""
    delivery_header: str = ""
    pings: frozenset[str] = field(default=frozenset())

    def event(self, headers: Headers) -> str:
        return headers.get(self.event_header, "push") if self.event_header else "push"

    def delivery(self, headers: Headers) -> str | None:
        return headers.get(self.delivery_header) or None if self.delivery_header else None


def check(payload: Json, schema: Json) -> None:
    """`Invalid` that names the field, unless the payload is as the schema says."""
    try:
        jsonschema.validate(payload, schema)
    except jsonschema.ValidationError as exc:
        where = ".".join(map(str, exc.absolute_path)) or "payload"
        raise Invalid(f"{where}: {exc.message[:200]}") from exc


def refuse_skipped(message: str) -> None:
    """`Ignored` if the commit's message asks for no build."""
    if found := _SKIP.search(message):
        raise Ignored(f"the commit message has {found[0]}")


def signed_by_hmac(header: str, algorithm: str, *, prefix: str = "") -> Callable[[Headers, bytes, str], bool | None]:
    """A check of `header`, which has the body's HMAC in hexadecimal after `prefix`."""

    def verify(headers: Headers, body: bytes, secret: str) -> bool | None:
        given = headers.get(header)
        if given is None:
            return None
        expected = prefix + hmac.new(secret.encode(), body, algorithm).hexdigest()
        return hmac.compare_digest(given.encode(), expected.encode())

    return verify
