"""How a build trigger is shown: by itself, and with the builds that it started."""

from typing import Any, Literal

from api.endpoint import View
from api.v1.views import Sparse
from config.settings import Settings
from models import triggers
from models.session import Session
from models.tables import Trigger
from models.tables.triggers import DisabledReason, Service
from models.trigger_config import page


class PullRobotView(View):
    name: str
    kind: Literal["user"] = "user"
    is_robot: Literal[True] = True


class TriggerView(View):
    """A trigger; only who administers the repository sees the source and the configuration."""

    id: str
    service: Service
    is_active: bool
    build_source: str | None
    repository_url: str | None
    config: dict[str, Any]
    can_invoke: bool
    enabled: bool
    disabled_reason: DisabledReason | None
    pull_robot: Sparse[PullRobotView] = None


class TriggerShow:
    """Shows triggers to one caller; `admin`: who administers their repository. What was unsealed once is kept."""

    def __init__(self, session: Session, settings: Settings, *, admin: bool) -> None:
        self._session = session
        self._settings = settings
        self._admin = admin
        self._shown: dict[int, TriggerView] = {}

    def view(self, trigger: Trigger, *, alone: bool = False) -> TriggerView:
        """The trigger, with its pull robot where it is shown `alone`."""
        shown = self._shown.get(trigger.id)
        if shown is None:
            shown = self._shown[trigger.id] = self._view(trigger)
        if alone and trigger.pull_robot:
            return shown.model_copy(update={"pull_robot": PullRobotView(name=trigger.pull_robot.name)})
        return shown

    def _view(self, trigger: Trigger) -> TriggerView:
        source = trigger.config.get("build_source")
        return TriggerView(
            id=trigger.uuid,
            service=trigger.service,
            is_active=trigger.active,
            build_source=source if self._admin else None,
            repository_url=page(trigger.service, trigger.config) if self._admin else None,
            config=self._config(trigger) if self._admin else {},
            can_invoke=self._admin,
            enabled=trigger.enabled,
            disabled_reason=trigger.disabled_reason,
        )

    def _config(self, trigger: Trigger) -> dict[str, Any]:
        if not trigger.active:
            return trigger.config
        session = self._session
        credentials = [
            {"name": "SSH Public Key", "value": triggers.public_key(session, trigger)},
            {"name": "Webhook Endpoint URL", "value": self._hook_url(trigger)},
            {"name": "Webhook Secret", "value": triggers.hook_secret(session, trigger)},
        ]
        return {**trigger.config, "credentials": credentials}

    def _hook_url(self, trigger: Trigger) -> str:
        token = triggers.write_token(self._session, trigger)
        settings = self._settings
        place = f"{settings.SERVER_HOSTNAME}/webhooks/push/trigger/{trigger.uuid}"
        return f"{settings.PREFERRED_URL_SCHEME}://$token:{token}@{place}"
