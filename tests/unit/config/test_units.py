"""Sizes and durations as people write them."""

from datetime import timedelta

import pytest

from config.units import format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("17", 17), ("512k", 512 * 1024), ("4M", 4 << 20), ("20 GiB", 20 << 30), ("1TB", 1 << 40), ("10B", 10)],
)
def test_sizes_are_powers_of_1024(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "G", "-1", "1.5G", "1X", "1 G B", "\u0661G"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a size"):
        parse_size(text)


@pytest.mark.parametrize(("size", "text"), [(0, "0"), (1000, "1000"), (1 << 40, "1T"), (4 << 20, "4M"), (1536, "1536")])
def test_sizes_are_written_in_the_largest_unit_that_fits(size: int, text: str) -> None:
    assert format_size(size) == text
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "seconds"), [("0s", 0), ("90m", 5400), ("12h", 43200), ("1d", 86400), ("2w", 1209600), ("1y", 31536000)]
)
def test_durations_have_a_unit(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "w", "-1d", "1.5h", "2 w", "2W", "1w2d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)
