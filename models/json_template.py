"""JSON with `${path}` in its texts, filled in from other JSON: what a webhook sends.

A path leads into objects by `name`, `.name` or `['name']` and into lists by `[0]` (or `[-1]`) and `[*]`, which means
each of them; `$` at its beginning is the whole. A text that is nothing but one path becomes what is there, of whatever
type (null if nothing is); inside of a text it becomes text, `(none)` if nothing is there, a list its parts with commas.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from models.errors import Invalid

LARGEST = 16 * 1024
LARGEST_FILLED = 16 * 1024 * 1024
"""Characters that what is filled in may have at most: a template can ask for everything thousands of times."""
MISSING = "(none)"
_INLINE = re.compile(r"\$\{([^}]*)\}")
_STEP = re.compile(
    r"""(?: \.?(?P<name>[^\W\d][\w-]*) | \[(?P<index>-?\d{1,6})\] | (?:\[\*\]|\.\*)(?P<each>)
    | \['(?P<single>[^']*)'\] | \["(?P<double>[^"]*)"\] )""",
    re.VERBOSE,
)
_EACH = object()
_Path = tuple[Any, ...]


@dataclass(frozen=True)
class JsonTemplate:
    """A template that was read once and can be filled in often."""

    content: Any
    expressions: int = 0

    @classmethod
    def parse(cls, text: str, *, subject: str) -> "JsonTemplate":
        """Read it; `Invalid` tells what is wrong. `subject` begins the message: the field that it came in."""
        if len(text) > LARGEST:
            raise Invalid(f"{subject}: expected at most {LARGEST} characters")
        try:
            template = cls(json.loads(text), text.count("${"))
            template.fill({})
        except (ValueError, RecursionError) as exc:
            raise Invalid(f"{subject}: Could not parse template: {exc}") from exc
        return template

    def fill(self, data: Any) -> Any:
        """The JSON with what `data` has in place of the paths; Invalid: too large; ValueError: a bad path."""
        if self.expressions * len(json.dumps(data)) > LARGEST_FILLED:
            raise Invalid(f"template: filled in, it might have more than {LARGEST_FILLED} characters")
        return _filled(self.content, data)


def _filled(part: Any, data: Any) -> Any:
    if isinstance(part, str):
        return _filled_text(part, data)
    if isinstance(part, dict):
        return {str(_filled_text(key, data)): _filled(value, data) for key, value in part.items()}
    if isinstance(part, list):
        return [_filled(each, data) for each in part]
    return part


def _filled_text(text: str, data: Any) -> Any:
    if whole := _INLINE.fullmatch(text):
        return _found(whole[1], data)
    return _INLINE.sub(lambda match: _as_text(_found(match[1], data)), text)


def _as_text(value: Any) -> str:
    if value is None:
        return MISSING
    if isinstance(value, list):
        return ",".join(_as_text(each) for each in value)
    return value if isinstance(value, str) else json.dumps(value)


def _found(path: str, data: Any) -> Any:
    found = [data]
    for step in _steps(path):
        found = [inner for value in found for inner in _inside(value, step)]
    if not found:
        return None
    return found[0] if len(found) == 1 else found


def _inside(value: Any, step: Any) -> list[Any]:
    if step is _EACH:
        return list(value.values()) if isinstance(value, dict) else list(value) if isinstance(value, list) else []
    if isinstance(step, int):
        fits = isinstance(value, list) and -len(value) <= step < len(value)
        return [value[step]] if fits else []
    return [value[step]] if isinstance(value, dict) and step in value else []


def _steps(path: str) -> _Path:
    rest, steps = path.strip(), []
    if rest == "$":
        return ()
    rest = rest.removeprefix("$")
    while rest:
        match = _STEP.match(rest)
        if match is None:
            raise ValueError(f"for the expression `{path}`: nothing is known of {rest[:40]!r}")
        steps.append(_step(match))
        rest = rest[match.end() :]
    if not steps:
        raise ValueError("an empty expression was found")
    return tuple(steps)


def _step(match: re.Match[str]) -> Any:
    if match["index"] is not None:
        return int(match["index"])
    named = (match["name"], match["single"], match["double"])
    return next((name for name in named if name is not None), _EACH)
