"""Picking names by patterns that users wrote."""

import pytest

from models.patterns import Selector


@pytest.mark.parametrize(
    ("pattern", "options", "picked"),
    [
        (None, {}, {"v1", "pr-v1", "latest"}),
        ("v", {}, {"v1"}),
        ("v", {"anywhere": True}, {"v1", "pr-v1"}),
        ("v", {"inverted": True}, {"pr-v1", "latest"}),
        ("v", {"inverted": True, "anywhere": True}, {"latest"}),
        ("(", {}, set()),
        ("(", {"inverted": True}, set()),
    ],
)
def test_a_selector_picks_names(pattern: str | None, options: dict[str, bool], picked: set[str]) -> None:
    selector = Selector(pattern, **options)
    assert {name for name in ("v1", "pr-v1", "latest") if selector.picks(name)} == picked


def test_a_selector_that_takes_too_long_picks_nothing_more_either_way() -> None:
    for inverted in (False, True):
        selector = Selector(r"(a|aa)+$", inverted=inverted)
        assert not selector.picks("a" * 127 + "b")
        assert selector.gave_up
        assert not selector.picks("aa")
        assert not selector.picks("z")
