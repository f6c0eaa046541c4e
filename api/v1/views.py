"""What several nouns show: avatars, dates, and fields that are left out where they do not apply."""

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Annotated, Literal, TypeVar

from pydantic import Field, PlainSerializer, WithJsonSchema

from api.endpoint import View
from models import avatars
from models.avatars import AvatarKind, Pictured
from models.dates import http_date
from models.tables import OAuthApplication, Team

T = TypeVar("T")


def _is_none(value: object) -> bool:
    return value is None


Sparse = Annotated[T | None, Field(exclude_if=_is_none)]
"""A field that is left out of the answer where it is None. It needs the default None."""


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
    return AvatarView.model_validate(avatars.avatar(name, identifier, kind))


def avatar_of(account: Pictured, kind: AvatarKind | None = None) -> AvatarView:
    """The account's avatar. `kind`: where Quay shows another one than the account's own."""
    return AvatarView.model_validate(avatars.avatar_of(account, kind))


def avatar_of_application(application: OAuthApplication) -> AvatarView:
    """The application's avatar; without an address of its own it follows from its organization, as in Quay."""
    organization = application.organization
    fallback = (organization.email or organization.uuid) if organization else application.client_id
    return avatar(application.name, application.avatar_email or fallback, "app")


def avatar_of_team(team: Team) -> AvatarView:
    return avatar(team.name, team.name, "team")
