"""What a .dockerignore leaves out of a build's context.

The patterns are a user's, so they are matched without backtracking: none takes time out of proportion to its length.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from models.errors import Invalid

MAX_BYTES = 64 * 1024
_Matches = tuple[bool, ...]


@dataclass(frozen=True)
class _Pattern:
    """A line: one expression for each component of a path, None for `**`; `keeps` when it began with `!`."""

    parts: tuple[re.Pattern[str] | None, ...]
    keeps: bool

    def matches(self, path: Sequence[str]) -> bool:
        """Whether the whole path fits. The runs between two `**` are taken where they first fit, which is enough."""
        runs = _runs(self.parts)
        if len(runs) == 1:
            return len(path) == len(runs[0]) and _fits(runs[0], path, 0)
        first, *middle, last = runs
        if len(path) < len(first) + len(last) or not _fits(first, path, 0):
            return False
        end = len(path) - len(last)
        position = len(first)
        for run in middle:
            while position + len(run) <= end and not _fits(run, path, position):
                position += 1
            position += len(run)
        # `x/**` means what is in x, not x itself.
        return position <= end and (bool(last) or position < len(path)) and _fits(last, path, end)

    def may_match_below(self, folder: Sequence[str]) -> bool:
        for part, name in zip(self.parts, folder, strict=False):
            if part is None:
                return True
            if not part.fullmatch(name):
                return False
        return len(self.parts) > len(folder)


class Ignored:
    """The patterns of one .dockerignore file."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_BYTES:
            raise Invalid(f".dockerignore is larger than {MAX_BYTES} bytes")
        lines = text.removeprefix("\ufeff").split("\n")
        self._patterns = [pattern for line in lines if (pattern := _pattern(line))]
        self.nothing: _Matches = (False,) * len(self._patterns)

    def match(self, path: Sequence[str], above: _Matches) -> _Matches:
        """Which patterns match `path` or a folder above it, given the same about the folder it is in (or `nothing`)."""
        return tuple(
            inherited or pattern.matches(path) for pattern, inherited in zip(self._patterns, above, strict=True)
        )

    def leaves_out(self, matches: _Matches) -> bool:
        """Whether the path of these matches stays out: the last pattern that matches decides."""
        for pattern, matched in zip(reversed(self._patterns), reversed(matches), strict=True):
            if matched:
                return not pattern.keeps
        return False

    def may_keep_below(self, folder: Sequence[str]) -> bool:
        """Whether something in a folder that stays out may have to be sent all the same."""
        return any(pattern.keeps and pattern.may_match_below(folder) for pattern in self._patterns)


def _pattern(line: str) -> _Pattern | None:
    if line.startswith("#"):
        return None
    text = line.strip()
    keeps = text.startswith("!")
    parts: list[str] = []
    for part in text.removeprefix("!").strip().split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return _Pattern(tuple(map(_component, parts)), keeps) if parts else None


def _component(part: str) -> re.Pattern[str] | None:
    if part == "**":
        return None
    fixed = _pieces(part)
    if len(fixed) == 1:
        return re.compile(fixed[0], re.DOTALL)
    # Between two stars, the first place that fits is as good as any: the atomic group keeps it from being tried again.
    middle = "".join(f"(?>.*?{piece})" for piece in fixed[1:-1])
    return re.compile(f"{fixed[0]}{middle}.*{fixed[-1]}", re.DOTALL)


def _pieces(part: str) -> list[str]:
    """The expressions between the stars of one component, for each character one element."""
    pieces = [""]
    rest = part
    while rest:
        symbol = _symbol(rest)
        rest = rest[len(symbol) :]
        if symbol == "*":
            pieces.append("")
        else:
            pieces[-1] += _expression(symbol)
    return pieces


def _symbol(rest: str) -> str:
    if rest.startswith("\\"):
        return rest[:2]
    match = re.match(r"\[\^?[^\]]+\]", rest)
    return match[0] if match else rest[0]


def _expression(symbol: str) -> str:
    if symbol == "?":
        return "."
    if len(symbol) > 2 and symbol.startswith("["):
        negated = symbol.startswith("[^")
        return _class(symbol[2 if negated else 1 : -1], negated)
    return re.escape(symbol[-1])


def _class(content: str, negated: bool) -> str:
    """A set of characters and ranges; a range the wrong way round matches nothing, as no file name should."""
    items = []
    position = 0
    while position < len(content):
        low, high = content[position], content[position + 2 : position + 3]
        if content[position + 1 : position + 2] == "-" and high:
            items.append(f"{re.escape(low)}-{re.escape(high)}" if low <= high else "")
            position += 3
        else:
            items.append(re.escape(low))
            position += 1
    inner = "".join(items)
    if not inner:
        return "." if negated else r"(?!)"
    return f"[{'^' if negated else ''}{inner}]"


def _runs(parts: Sequence[re.Pattern[str] | None]) -> list[list[re.Pattern[str]]]:
    runs: list[list[re.Pattern[str]]] = [[]]
    for part in parts:
        if part is None:
            runs.append([])
        else:
            runs[-1].append(part)
    return runs


def _fits(run: Sequence[re.Pattern[str]], path: Sequence[str], start: int) -> bool:
    return all(part.fullmatch(path[start + index]) for index, part in enumerate(run))
