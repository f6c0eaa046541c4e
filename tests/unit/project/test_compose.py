"""The compose file describes every role, and keeps no secret and no privilege that is not needed."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.schema import GROUPS

FILE = Path(__file__).parents[3] / "conf" / "compose.yaml"
ROLES = ["migrate", "web", "worker", "scheduler"]


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    """The services by name, with YAML's anchors resolved."""
    loaded: dict[str, dict[str, Any]] = yaml.safe_load(FILE.read_text())["services"]
    return loaded


def test_every_role_and_what_it_needs_is_there(services: dict[str, dict[str, Any]]) -> None:
    assert {*ROLES, "postgres", "redis"} == set(services)
    assert all(services[role]["command"] == [role] for role in ROLES)


@pytest.mark.parametrize("role", ROLES)
def test_roles_run_without_privileges_on_a_read_only_root(services: dict[str, dict[str, Any]], role: str) -> None:
    service = services[role]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "privileged" not in service


@pytest.mark.parametrize("role", ROLES)
def test_roles_set_only_keys_that_exist(services: dict[str, dict[str, Any]], role: str) -> None:
    known = {f"DRYDOCK_{key}" for group in GROUPS for key in group.model_fields}
    assert set(services[role]["environment"]) <= known


def test_secrets_come_from_outside_and_are_required() -> None:
    required = set(re.findall(r"\$\{(\w+):\?", FILE.read_text()))
    assert required == {"SECRET_KEY", "DATABASE_SECRET_KEY", "POSTGRES_PASSWORD", "REDIS_PASSWORD"}
