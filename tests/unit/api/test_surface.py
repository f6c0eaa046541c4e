"""The surface as a whole: each section is served once, and what is switched off is not served at all."""

from collections import Counter
from dataclasses import replace

from api import v1
from api.endpoint import VERBS
from registry.services import Services
from tests.factories.api import Api, make_app


def test_no_operation_is_served_twice() -> None:
    names = Counter(op.name for section in v1.SECTIONS for _, _, op in section.operations)
    assert [name for name, number in names.items() if number > 1] == []


SWITCHED = {
    "FEATURE_BUILD_SUPPORT": {"getRepoBuilds", "listBuildTriggers"},
    "FEATURE_EDIT_QUOTA": {"listUserQuota", "listUserQuotaSuperUser"},
    "FEATURE_QUOTA_MANAGEMENT": {"listUserQuota", "listUserQuotaSuperUser"},
    "FEATURE_SIGNING": {"getRepoSignatures"},
}


def test_what_is_switched_off_is_not_there(services: Services) -> None:
    needs = {op.name: set(section.needs) for section in v1.SECTIONS for _, _, op in section.operations}
    for feature, operations in SWITCHED.items():
        assert all(feature in needs[name] for name in operations)
    assert not set(SWITCHED) & needs["getRepo"]

    def served(services: Services) -> set[str]:
        paths = Api(make_app(services)).get("/discovery").body["paths"]
        return {op["operationId"] for path in paths.values() for verb, op in path.items() if verb in VERBS}

    # One at a time would be the same, since what an operation needs has just been looked at.
    off = services.settings.model_copy(update=dict.fromkeys(SWITCHED, False))
    some = set().union(*SWITCHED.values())
    gone = served(services) - served(replace(services, settings=off))
    assert some <= gone
    assert all(needs[name] & SWITCHED.keys() for name in gone)


def test_the_title_of_the_page_is_text(services: Services) -> None:
    titled = services.settings.model_copy(update={"REGISTRY_TITLE": "<b>Ours</b>"})
    shown = make_app(replace(services, settings=titled)).test_client().get("/api/v1/").text
    assert "<title>&lt;b&gt;Ours&lt;/b&gt; API</title>" in shown
