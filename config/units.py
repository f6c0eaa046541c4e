"""Sizes and durations as people write them in settings: `20G`, `2w`."""

import re
from datetime import timedelta

_SIZE = re.compile(r"(\d{1,18})\s*([KMGTP]?)(?:i?B)?", re.IGNORECASE | re.ASCII)
_DURATION = re.compile(r"(\d{1,6})([smhdwy])", re.ASCII)

_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}


def parse_size(text: str) -> int:
    """Bytes in `text`, a whole number with an optional unit K, M, G, T or P (powers of 1024); ValueError."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError("not a size")
    return int(match[1]) << (10 * _POWERS[match[2].upper()])


def format_size(size: int) -> str:
    """`size` bytes in the largest unit that leaves a whole number, as `parse_size` reads it."""
    for unit, power in reversed(_POWERS.items()):
        if size and size % 1024**power == 0:
            return f"{size // 1024**power}{unit}"
    return str(size)


def parse_duration(text: str) -> timedelta:
    """The time in `text`, a whole number and a unit: s, m (minutes), h, d, w or y (365 days); ValueError."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("not a duration")
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])
