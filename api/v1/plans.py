"""The plans that this installation tells of."""

from pydantic import ConfigDict

from api.endpoint import Resource, Section, View, operation
from api.rules import anyone

section = Section("billing", __doc__)


class PlanView(View):
    """A plan, with whatever else the configuration says of it."""

    model_config = ConfigDict(extra="allow")

    title: str
    price: int
    privateRepos: int  # noqa: N815 - Quay's name
    stripeId: str = ""  # noqa: N815 - Quay's name
    audience: str = ""
    bus_features: bool = False
    deprecated: bool = False
    free_trial_days: int = 0
    superseded_by: str | None = None
    plans_page_hidden: bool = False


class PlansView(View):
    plans: list[PlanView]


@section.at("/plans/")
class Plans(Resource):
    @operation("listPlans", allow=anyone)
    def get(self) -> PlansView:
        """List the available plans; nothing is sold here, so there are none unless PLANS names some."""
        return PlansView(plans=[PlanView.model_validate(dict(plan)) for plan in self.settings.PLANS])
