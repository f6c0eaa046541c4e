"""The Swagger document against facts about Quay's operations: nothing that a client sends is missing.

`"ours": true` in the facts marks an operation that Quay does not have.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from api.endpoint import VERBS

FACTS = json.loads(Path(__file__).with_name("operations.json").read_text())
SCOPE_DIFFERS = {
    **dict.fromkeys(
        (  # Quay names none and demands membership
            "listOrganizationQuota",
            "getOrganizationQuota",
            "listOrganizationQuotaLimit",
            "getOrganizationQuotaLimit",
        ),
        "org:admin",
    ),
    "resetOrganizationApplicationClientSecret": "org:admin",  # Quay names none and demands it
    "getOrgRobotPermissions": "org:admin",  # the robots of an organization are its administrators' affair
    "getOrganizationTeamPermissions": "org:admin",  # Quay names none and demands it
    "listAllAggregateLogs": "super:user",  # the same
}


def test_every_operation_is_one_of_quays_or_marked_as_ours(document: Any) -> None:
    ours = {op["operationId"] for path in document["paths"].values() for verb, op in path.items() if verb in VERBS}
    assert ours == {fact["operation"] for fact in FACTS}


def test_a_path_tells_what_programs_made_from_quays_document_look_for(document: Any) -> None:
    for path, shown in document["paths"].items():
        assert shown["x-path"] == path
        assert shown["x-name"].startswith("api.v1.")
        assert all(shown[verb]["tags"] == [shown["x-tag"]] for verb in VERBS if verb in shown)
        assert all(
            shown[verb]["description"].startswith(shown[verb]["summary"][:20]) for verb in VERBS if verb in shown
        )


@pytest.mark.parametrize("fact", FACTS, ids=[fact["operation"] for fact in FACTS])
def test_an_operation_is_where_and_what_it_is_in_quay(document: Any, fact: dict[str, Any]) -> None:
    op = document["paths"][fact["path"]][fact["method"].lower()]
    assert op["operationId"] == fact["operation"]
    assert op["tags"] == [fact["tag"]]
    assert op.get("x-required-scope") == SCOPE_DIFFERS.get(fact["operation"], fact["scope"])
    given = {parameter["name"] for parameter in op["parameters"] if parameter["in"] == "query"}
    assert given >= set(fact["query"])
    assert body_fields(document, op) >= set(fact["body"])


def body_fields(document: Any, op: Any) -> set[str]:
    for parameter in op["parameters"]:
        if parameter["in"] == "body":
            name = parameter["schema"]["$ref"].rpartition("/")[2]
            return set(document["definitions"][name].get("properties", ()))  # a list has none
    return set()
