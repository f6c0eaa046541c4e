"""Scores as a real Quay gives them."""

import pytest

from models.likeness import likeness


@pytest.mark.parametrize(
    ("name", "query", "expected"),
    [
        ("golden", "golden", 1.0),
        ("building", "b", 0.9125),
        ("publicrepo", "b", 0.66),
        ("buynlarge", "b", 0.911111111111111),
        ("badbodybot1", "b", 0.9090909090909091),
        ("complex", "b", 0.0),
        ("Golden", "GOLDEN", 1.0),
        ("my-web", "w", (0.85 + 0.85 + 1 + 1 + 2 * 0.8) / 6),
        ("my-web", "mw", (1 + 0.85 + 1 + 1 + 2 * 0.9) / 6),
        ("a-b", "a-b", 1.0),
        ("ab", "abc", 0.0),
        ("ab", "", 0.8),
    ],
)
def test_a_name_is_like_a_query(name: str, query: str, expected: float) -> None:
    assert likeness(name, query) == pytest.approx(expected)
