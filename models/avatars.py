"""Avatars: what a client needs to draw a picture for a name, as Quay has it."""

import hashlib
from typing import Literal, NamedTuple, Protocol

AvatarKind = Literal["user", "org", "team", "robot", "app"]
_KINDS: dict[str, AvatarKind] = {"user": "user", "organization": "org", "robot": "robot"}
# The order is Quay's: it decides which colour belongs to which hash.
_COLORS = (
    "#969696", "#aec7e8", "#ff7f0e", "#ffbb78", "#2ca02c", "#98df8a", "#d62728", "#ff9896", "#9467bd", "#c5b0d5",
    "#8c564b", "#c49c94", "#e377c2", "#f7b6d2", "#7f7f7f", "#c7c7c7", "#bcbd22", "#1f77b4", "#17becf", "#9edae5",
    "#393b79", "#5254a3", "#6b6ecf", "#9c9ede", "#9ecae1", "#31a354", "#b5cf6b", "#a1d99b", "#8c6d31", "#ad494a",
    "#e7ba52", "#a55194",
)  # fmt: skip


class Avatar(NamedTuple):
    """The hash is also Gravatar's, where there is an address."""

    name: str
    hash: str
    color: str
    kind: AvatarKind


class Pictured(Protocol):
    """What an account's picture follows from."""

    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def email(self) -> str | None: ...
    @property
    def uuid(self) -> str: ...


def avatar(name: str, identifier: str, kind: AvatarKind) -> Avatar:
    """`identifier`: what the picture follows from: an e-mail address, or what stands for one."""
    digest = hashlib.sha256(identifier.strip().lower().encode()).hexdigest()
    return Avatar(name, digest, _COLORS[int(digest[:2], 16) % len(_COLORS)], kind)


def avatar_of(account: Pictured, kind: AvatarKind | None = None) -> Avatar:
    """The account's avatar. `kind`: where Quay shows another one than the account's own."""
    return avatar(account.name, account.email or account.uuid, kind or _KINDS[account.kind])
