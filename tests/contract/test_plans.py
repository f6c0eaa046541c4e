"""Plans: none unless the configuration names some, and then with what it says of them."""

from dataclasses import replace

from tests.factories.api import Api, make_app

FULL = {"title", "price", "privateRepos", "stripeId", "audience", "bus_features", "deprecated", "free_trial_days"}


def test_there_are_no_plans_by_default(api: Api) -> None:
    answer = api.get("/plans/")
    assert (answer.status, answer.body) == (200, {"plans": []})
    assert api.get("/plans").status == 308


def test_configured_plans_are_told(api: Api) -> None:
    plan = {"title": "Micro", "price": 700, "privateRepos": 5, "rh_sku": "MW1"}
    settings = api.services.settings.model_copy(update={"PLANS": [plan]})
    (told,) = Api(make_app(replace(api.services, settings=settings))).get("/plans/").body["plans"]
    assert told.keys() >= FULL | {"superseded_by", "plans_page_hidden"}
    assert plan.items() <= told.items()
