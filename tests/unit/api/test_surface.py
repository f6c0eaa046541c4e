"""The surface as a whole: each section is served once, and what is switched off is not served at all."""

from collections import Counter
from dataclasses import replace

import pytest

from api import v1
from registry.services import Services
from tests.factories.api import Api, make_app


def test_no_operation_is_served_twice() -> None:
    names = Counter(op.name for section in v1.SECTIONS for _, _, op in section.operations)
    assert [name for name, number in names.items() if number > 1] == []


@pytest.mark.parametrize(
    ("feature", "operations"),
    [
        ("FEATURE_BUILD_SUPPORT", {"getRepoBuilds", "listBuildTriggers"}),
        ("FEATURE_EDIT_QUOTA", {"listUserQuota", "listUserQuotaSuperUser"}),
        ("FEATURE_QUOTA_MANAGEMENT", {"listUserQuota", "listUserQuotaSuperUser"}),
        ("FEATURE_SIGNING", {"getRepoSignatures"}),
    ],
)
def test_what_is_switched_off_is_not_there(services: Services, feature: str, operations: set[str]) -> None:
    def served(services: Services) -> set[str]:
        paths = Api(make_app(services)).get("/discovery").body["paths"]
        return {op["operationId"] for path in paths.values() for verb, op in path.items() if verb != "parameters"}

    assert operations <= served(services)
    assert not operations & served(replace(services, settings=services.settings.model_copy(update={feature: False})))


def test_the_title_of_the_page_is_text(services: Services) -> None:
    titled = services.settings.model_copy(update={"REGISTRY_TITLE": "<b>Ours</b>"})
    shown = make_app(replace(services, settings=titled)).test_client().get("/api/v1/").text
    assert "<title>&lt;b&gt;Ours&lt;/b&gt; API</title>" in shown
