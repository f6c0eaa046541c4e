"""What several nouns show: avatars, dates, and fields that are left out where they do not apply."""

import hashlib
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Annotated, Literal, TypeVar

from pydantic import Field, PlainSerializer, WithJsonSchema

from api.endpoint import View
from models.tables import Account, OAuthApplication, Team

T = TypeVar("T")


def _is_none(value: object) -> bool:
    return value is None


Sparse = Annotated[T | None, Field(exclude_if=_is_none)]
"""A field that is left out of the answer where it is None. It needs the default None."""


def http_date(moment: datetime) -> str:
    """RFC 2822 in UTC, spelled as Quay does: `Fri, 20 Nov 2026 14:46:26 -0000`."""
    return format_datetime(moment.astimezone(UTC).replace(tzinfo=None))


Moment = Annotated[
    datetime, PlainSerializer(http_date, return_type=str), WithJsonSchema({"type": "string", "description": "RFC 2822"})
]


def iso_date(moment: datetime) -> str:
    """ISO 8601 in UTC: `2026-11-20T14:46:26.123456Z`."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def http_header_date(moment: datetime) -> str:
    """The same as in HTTP headers: `Fri, 20 Nov 2026 14:46:26 GMT`."""
    return format_datetime(moment.astimezone(UTC), usegmt=True)


HttpMoment = Annotated[datetime, PlainSerializer(http_header_date, return_type=str), WithJsonSchema({"type": "string"})]
IsoMoment = Annotated[
    datetime, PlainSerializer(iso_date, return_type=str), WithJsonSchema({"type": "string", "format": "date-time"})
]

# The order is Quay's: it decides which colour belongs to which hash.
_COLORS = (
    "#969696", "#aec7e8", "#ff7f0e", "#ffbb78", "#2ca02c", "#98df8a", "#d62728", "#ff9896", "#9467bd", "#c5b0d5",
    "#8c564b", "#c49c94", "#e377c2", "#f7b6d2", "#7f7f7f", "#c7c7c7", "#bcbd22", "#1f77b4", "#17becf", "#9edae5",
    "#393b79", "#5254a3", "#6b6ecf", "#9c9ede", "#9ecae1", "#31a354", "#b5cf6b", "#a1d99b", "#8c6d31", "#ad494a",
    "#e7ba52", "#a55194",
)  # fmt: skip
AvatarKind = Literal["user", "org", "team", "robot", "app"]
_KINDS: dict[str, AvatarKind] = {"user": "user", "organization": "org", "robot": "robot"}


class AvatarView(View):
    """What a client needs to draw a picture for a name; the hash is also Gravatar's, where there is an address."""

    name: str
    hash: str
    color: str
    kind: AvatarKind


class SuccessView(View):
    success: Literal[True] = True


def avatar(name: str, identifier: str, kind: AvatarKind) -> AvatarView:
    """`identifier`: what the picture follows from: an e-mail address, or what stands for one."""
    digest = hashlib.sha256(identifier.strip().lower().encode()).hexdigest()
    return AvatarView(name=name, hash=digest, color=_COLORS[int(digest[:2], 16) % len(_COLORS)], kind=kind)


def avatar_of(account: Account, kind: AvatarKind | None = None) -> AvatarView:
    """The account's avatar. `kind`: where Quay shows another one than the account's own."""
    return avatar(account.name, account.email or account.uuid, kind or _KINDS[account.kind])


def avatar_of_application(application: OAuthApplication) -> AvatarView:
    """The application's avatar; without an address of its own it follows from its organization, as in Quay."""
    organization = application.organization
    fallback = (organization.email or organization.uuid) if organization else application.client_id
    return avatar(application.name, application.avatar_email or fallback, "app")


def avatar_of_team(team: Team) -> AvatarView:
    return avatar(team.name, team.name, "team")
