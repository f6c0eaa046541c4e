"""Which of what happens is wanted, and patterns that users wrote."""

import time
from typing import Any

import pytest

from models.events import EVENTS, level_of, quota_data
from models.patterns import matches


def build(ref: str | None) -> dict[str, Any]:
    return {"trigger_metadata": {"ref": ref} if ref else {}}


def bad(priority: str) -> dict[str, Any]:
    return {"vulnerability": {"priority": priority}}


@pytest.mark.parametrize(
    ("event", "config", "told", "wanted"),
    [
        ("build_success", {}, build(None), True),
        ("build_success", {"ref-regex": ""}, build(None), True),
        ("build_success", {"ref-regex": "refs/heads/main"}, build("refs/heads/main"), True),
        ("build_success", {"ref-regex": "refs/heads/ma"}, build("refs/heads/main"), True),  # Quay matches beginnings
        ("build_success", {"ref-regex": "heads/main"}, build("refs/heads/main"), False),
        ("build_success", {"ref-regex": "refs/.*"}, build(None), False),
        ("build_success", {"ref-regex": "("}, build("refs/heads/main"), False),
        ("build_success", {"ref-regex": "refs/.*"}, {}, False),
        ("vulnerability_found", {}, bad("Unknown"), True),
        ("vulnerability_found", {"level": 1}, bad("High"), True),
        ("vulnerability_found", {"level": "1"}, bad("Critical"), True),
        ("vulnerability_found", {"level": 1}, bad("Medium"), False),
        ("vulnerability_found", {"level": 5}, bad("Odd"), False),
        ("vulnerability_found", {"level": 5}, {}, False),
        ("repo_push", {"anything": 1}, {}, True),
    ],
)
def test_the_configuration_limits_what_is_told(event: str, config: Any, told: Any, wanted: bool) -> None:
    assert EVENTS[event].wanted(config, told) is wanted


@pytest.mark.parametrize("event", EVENTS)
def test_every_event_has_an_example_that_its_own_configuration_wants(event: str) -> None:
    config = {"days": 3} if event == "repo_image_expiry" else {}
    EVENTS[event].check(config)
    sample = EVENTS[event].sample(config)
    assert sample
    assert EVENTS[event].wanted(config, sample)
    assert level_of(event, sample) in ("info", "primary", "success", "warning", "error")


def test_a_pattern_that_would_never_end_matches_nothing_soon() -> None:
    begun = time.monotonic()
    assert not matches(r"(a|aa)+$", "a" * 60 + "b")
    assert not matches(r"(.*a){25}$", "a" * 60 + "b", whole=True)
    assert time.monotonic() - begun < 1


def test_sizes_are_told_in_bytes_and_in_words() -> None:
    told = quota_data(threshold_percent=80, usage=858993459, limit=1 << 30)
    assert (told["usage_percent"], told["usage_bytes_formatted"], told["limit_bytes_formatted"]) == (
        79,
        "819.20 MB",
        "1.00 GB",
    )
    assert quota_data(threshold_percent=100, usage=0, limit=1)["usage_bytes_formatted"] == "0.00 B"
