"""What a trigger's webhook received, what became of it, and receiving it once more."""

from typing import Any

from api.endpoint import Query, Section, View, operation
from api.rules import repo_admin
from api.v1.paging import next_page, page_start
from api.v1.triggers import TriggersResource
from api.v1.views import Moment, Sparse
from models import inbound, triggers
from models.tables import InboundEvent, Repository
from models.tables.triggers import Verdict

section = Section("trigger", __doc__, needs=["FEATURE_BUILD_SUPPORT"])

PAGE = 50


class DeliveriesQuery(Query):
    next_page: str | None = None


class DeliveryView(View):
    """A delivery: `fired` started the build, `ignored` was in order and started none, `refused` got an error."""

    id: str
    delivery_id: str | None
    event: str
    received: Moment
    ip: str | None
    verified: str | None
    verdict: Verdict
    reason: str
    build: str | None
    redelivery_of: str | None


class OneDelivery(DeliveryView):
    """With what was sent; headers that are secret, or made from a secret, are not kept."""

    headers: dict[str, Any]
    payload: str


class DeliveriesView(View):
    deliveries: list[DeliveryView]
    next_page: Sparse[str] = None


@section.at("/repository/<repopath:repository>/trigger/<trigger_uuid>/deliveries")
class TriggerDeliveries(TriggersResource):
    @operation("listTriggerDeliveries", allow=repo_admin)
    def get(self, repository: Repository, trigger_uuid: str, query: DeliveriesQuery) -> DeliveriesView:
        """List what the trigger's webhook received, newest first.

        Deliveries are kept for 30 days, 500 of a trigger and 32 MiB at most.
        """
        trigger = triggers.get_trigger(self.session, repository, trigger_uuid)
        bound = f"deliveries of {trigger.id}"
        before = page_start(self.settings, query.next_page, bound)
        found = inbound.list_deliveries(self.session, trigger, before=before, limit=PAGE + 1)
        page = found[:PAGE]
        more = next_page(self.settings, page[-1].id, bound) if len(found) > PAGE else None
        return DeliveriesView(deliveries=[DeliveryView(**_facts(event)) for event in page], next_page=more)


@section.at("/repository/<repopath:repository>/trigger/<trigger_uuid>/deliveries/<delivery_uuid>")
class TriggerDelivery(TriggersResource):
    @operation("getTriggerDelivery", allow=repo_admin)
    def get(self, repository: Repository, trigger_uuid: str, delivery_uuid: str) -> OneDelivery:
        """A delivery with its payload."""
        trigger = triggers.get_trigger(self.session, repository, trigger_uuid)
        event = inbound.get_delivery(self.session, trigger, delivery_uuid)
        return OneDelivery(**_facts(event), headers=event.headers, payload=inbound.payload_of(event))


@section.at("/repository/<repopath:repository>/trigger/<trigger_uuid>/deliveries/<delivery_uuid>/redeliver")
class TriggerRedelivery(TriggersResource):
    @operation("redeliverTriggerDelivery", allow=repo_admin, status=201)
    def post(self, repository: Repository, trigger_uuid: str, delivery_uuid: str) -> DeliveryView:
        """Judge a delivery once more, as if it had just come; the new delivery tells what became of it."""
        trigger = triggers.get_trigger(self.session, repository, trigger_uuid)
        event = inbound.get_delivery(self.session, trigger, delivery_uuid)
        limit = self.settings.DEFAULT_NAMESPACE_MAXIMUM_BUILD_COUNT
        return DeliveryView(**_facts(inbound.redeliver(self.session, trigger, event, actor=self.caller, limit=limit)))


def _facts(event: InboundEvent) -> dict[str, Any]:
    return {
        "id": event.uuid,
        "delivery_id": event.delivery_id,
        "event": event.event,
        "received": event.received_at,
        "ip": event.ip,
        "verified": event.verified,
        "verdict": event.verdict,
        "reason": event.reason,
        "build": event.build_uuid,
        "redelivery_of": event.redelivery_of,
    }
