"""Refused pulls, pushes and deletions are told in the action log, if the settings want that."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from models.tables import LogEntry
from models.tags import find_tag
from registry.names import Digest, RepositoryName
from registry.repositories import existing
from registry.services import Services
from registry.v2.failures import SETTINGS
from tests.unit.registry.conftest import Registry, image

NOWHERE = "sha256:" + "0" * 64


def entries(services: Services) -> list[tuple[str, str | None, bool, dict[str, Any]]]:
    with services.database.read() as session:
        found = session.scalars(select(LogEntry).where(LogEntry.kind.endswith("_failed")).order_by(LogEntry.id))
        return [(each.kind, each.performer, each.repository_id is not None, each.detail) for each in found]


@pytest.fixture
def telling(registry: Registry) -> Registry:
    """The registry with the settings on; a tag that nothing may change is in it."""
    registry.push_image("v1")
    with registry.services.database.write() as session:
        tag = find_tag(session, existing(session, RepositoryName.parse("acme/app")), "v1")
        assert tag is not None
        tag.immutable = True
    settings = registry.services.settings.model_copy(update=dict.fromkeys(SETTINGS.values(), True))
    shared = registry.app.extensions["drydock.registry"]
    registry.app.extensions["drydock.registry"] = replace(shared, services=replace(shared.services, settings=settings))
    return registry


def test_refusals_are_told_with_what_was_asked_for(telling: Registry) -> None:
    assert telling.call("GET", "acme/app/manifests/none").status_code == 404
    assert telling.call("GET", f"acme/app/manifests/{NOWHERE}").status_code == 404
    assert telling.put_manifest("v2", image(str(Digest.of(b"no")), 2, str(Digest.of(b"such")), 4)).status_code == 400
    assert telling.call("DELETE", "acme/app/manifests/v1").status_code == 409
    told = entries(telling.services)
    assert [kind for kind, *_ in told] == [*["pull_repo_failed"] * 2, "push_repo_failed", "delete_tag_failed"]
    assert all(performer == "acme+ci" and in_repository for _, performer, in_repository, _ in told)
    details = [detail for *_, detail in told]
    assert [detail.get("tag") or detail["manifest_digest"] for detail in details] == ["none", NOWHERE, "v2", "v1"]
    assert all((detail["namespace"], detail["repo"]) == ("acme", "app") for detail in details)
    assert "immutable" in details[-1]["message"]
    assert details[0]["is_robot"]


def test_who_may_not_is_told_and_who_is_asked_for_a_token_is_not(telling: Registry) -> None:
    assert telling.call("GET", "acme/app/manifests/v1", user="stranger+bot").status_code == 403
    assert telling.client.get("/v2/acme/app/manifests/v1").status_code == 401
    assert telling.call("HEAD", "acme/app/manifests/none").status_code == 404
    assert [(kind, performer) for kind, performer, *_ in entries(telling.services)] == [
        ("pull_repo_failed", "stranger+bot")
    ]


def test_by_default_nothing_is_told(registry: Registry) -> None:
    assert registry.call("GET", "acme/app/manifests/none").status_code == 404
    assert entries(registry.services) == []
