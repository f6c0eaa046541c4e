"""The installation itself: whether it is set up, how large it is, what is new in it, and whose a namespace is."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import PlainSerializer, WithJsonSchema

from api.endpoint import Resource, Section, View, operation
from api.rules import anyone, fresh, superuser, superuser_over_namespace
from models import ownership, registry_size, users
from models.access import signed_in_user
from models.errors import Invalid, NotFound
from models.tables import Account, User

section = Section("superuser", __doc__)
setup_section = Section("suconfig", "Whether the installation is set up.")

CHANGELOG = Path(__file__).parents[2] / "CHANGELOG.md"
Milliseconds = Annotated[
    datetime,
    PlainSerializer(lambda moment: int(moment.timestamp() * 1000), return_type=int),
    WithJsonSchema({"type": "integer", "description": "Unix time in milliseconds"}),
]


class RegistrySizeView(View):
    size_bytes: int
    last_ran: Milliseconds | None
    queued: bool
    running: bool


class ChangeLogView(View):
    log: str


class TakenView(View):
    namespace: str


class StatusView(View):
    provider_id: Literal["file"] = "file"
    status: Literal["ready", "setup-incomplete"]


@section.at("/superuser/registrysize/")
class RegistrySize(Resource):
    @operation("getRegistrySize", allow=fresh(superuser))
    def get(self) -> RegistrySizeView:
        """Returns size of the registry, as it was counted last."""
        found = registry_size.get_registry_size(self.session)
        return RegistrySizeView(
            size_bytes=found.size, last_ran=found.counted_at, queued=found.queued, running=found.running
        )

    @operation("queueRegistrySizeCalculation", allow=fresh(superuser), status=201)
    def post(self) -> None:
        """Queues registry size calculation; nothing if that is queued already."""
        registry_size.queue_count(self.session)


@section.at("/superuser/changelog/")
class ChangeLog(Resource):
    @operation("getChangeLog", allow=fresh(superuser))
    def get(self) -> ChangeLogView:
        """Returns the change log for this installation."""
        if not CHANGELOG.is_file():
            raise NotFound("The change log was not installed along")
        return ChangeLogView(log=CHANGELOG.read_text(encoding="utf-8"))


@section.at("/superuser/takeownership/<namespace>")
class TakeOwnership(Resource):
    @operation("takeOwnership", allow=fresh(superuser_over_namespace))
    def post(self, account: Account) -> TakenView:
        """Takes ownership of the specified organization or user; a user becomes an organization."""
        if isinstance(account, User) and self.services.superusers.identify(account).superuser:
            raise Invalid("Cannot take ownership of a superuser")
        superuser = signed_in_user(self.session, self.caller)
        name = account.name
        ownership.take_ownership(self.session, account, superuser, actor=self.caller)
        return TakenView(namespace=name)


@setup_section.at("/superuser/registrystatus")
class RegistryStatus(Resource):
    @operation("scRegistryStatus", allow=anyone)
    def get(self) -> StatusView:
        """Returns the status of the registry: ready once there is a user."""
        return StatusView(status="ready" if users.has_users(self.session) else "setup-incomplete")
