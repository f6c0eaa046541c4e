"""What is wrong with a configuration, told so that a person can put it right and no secret is repeated."""

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from config.kinds import kind_of

Path = tuple[str | int, ...]
"""Where a value is: its key, then keys and positions inside the value."""

_LONGEST_QUOTE = 60
_TYPES: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (int, "a whole number"),
    (float, "a number"),
    (str, "text"),
    (SecretStr, "text"),
    (Mapping, "a mapping"),
    (Sequence, "a list"),
)


@dataclass(frozen=True)
class Problem:
    """One thing to put right: `key` as it was written, at `line` (from 1, if known) of `source`."""

    key: str
    line: int | None
    source: str
    message: str

    def __str__(self) -> str:
        place = self.source if self.line is None else f"{self.source}:{self.line}"
        return ": ".join(part for part in (place, self.key, self.message) if part)


class ConfigError(Exception):
    """The configuration cannot be used; `problems` are all that was found, and printing it prints one a line."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(frozen=True)
class Given:
    """A key's value as somebody gave it: where (`source`), how the key is spelled there, and the lines inside it."""

    value: object
    source: str
    written: str
    lines: Mapping[Path, int] = field(default_factory=dict)

    def problem(self, path: Path, message: str) -> Problem:
        """A problem of the part of the value at `path`, which starts with the key."""
        name = self.written + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path[1:])
        known = (self.lines.get(path[:length]) for length in range(len(path), 0, -1))
        return Problem(name, next((line for line in known if line is not None), None), self.source, message)


def unknown_key(key: str, known: Iterable[str], prefix: str = "") -> str:
    """The message for a key that does not exist; `prefix` is put before the key that may have been meant."""
    names = {name.upper(): name for name in known}
    near = difflib.get_close_matches(key.upper(), names, n=1, cutoff=0.7)
    return (
        f"unknown key; did you mean {prefix}{names[near[0]]}?" if near else "unknown key; docs/configuration.md has all"
    )


def explain(
    error: ValidationError, model: type[BaseModel], given: Mapping[str, Given], wrong: Collection[str] = ()
) -> list[Problem]:
    """Each error of validating `given` as `model`, once.

    Left out: errors of values that nobody gave (they followed from others), and conflicts with keys that are `wrong`.
    """
    problems: dict[tuple[str, Path], Problem] = {}
    for item in error.errors(include_url=False):
        loc: Path = item["loc"]
        if loc and loc[0] in given:
            source = given[str(loc[0])]
            path, message = _told(model, loc, item["type"], source.value)
            problems.setdefault((str(loc[0]), path), source.problem(path, message))
        for key, other, message in item.get("ctx", {}).get("conflicts", ()):
            if key not in wrong and other not in wrong:
                problems[key, (message,)] = _conflict(key, other, message, given)
    return list(problems.values())


def _conflict(key: str, other: str, message: str, given: Mapping[str, Given]) -> Problem:
    # A default never conflicts with a default, so one of the two was given.
    return given[key].problem((key,), message) if key in given else given[other].problem((other,), f"{key}: {message}")


def _told(model: type[BaseModel], loc: Path, kind: str, value: object, depth: int = 0) -> tuple[Path, str]:
    name = str(loc[depth])
    if kind == "extra_forbidden" and depth == len(loc) - 1:
        return loc, unknown_key(name, model.model_fields)
    known = model.model_fields[name]
    inner = _model(known.annotation)
    if inner is not None and depth < len(loc) - 1:
        part = value.get(loc[depth + 1]) if isinstance(value, Mapping) else None
        return _told(inner, loc, kind, part, depth + 1)
    about = kind_of(known)
    path = loc[: depth + 2] if about.item else loc[: depth + 1]
    if len(path) == depth + 2:
        return path, f"expected {about.item}, got {_got(_part(value, path[-1]), hidden=_is_secret(known))}"
    return path, f"expected {about.expected}, got {_got(value, hidden=_is_secret(known))}"


def _part(value: Any, at: str | int) -> object:
    # Pydantic names a mapping's key that is no text by its text.
    if isinstance(value, Mapping):
        return next((part for key, part in value.items() if str(key) == str(at)), None)
    return value[at]


def _model(annotation: object) -> type[BaseModel] | None:
    return next((part for part in _parts(annotation) if isinstance(part, type) and issubclass(part, BaseModel)), None)


def _is_secret(known: FieldInfo) -> bool:
    return not known.repr or SecretStr in _parts(known.annotation) or _model(known.annotation) is not None


def _parts(annotation: object) -> Iterator[object]:
    yield annotation
    for argument in get_args(annotation):
        yield from _parts(argument)


def is_optional(annotation: object) -> bool:
    """Whether None is among the values of an annotation."""
    return get_origin(annotation) in {Union, UnionType} and type(None) in get_args(annotation)


def _got(value: object, *, hidden: bool) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, Mapping | list | tuple) and not value:
        return "an empty mapping" if isinstance(value, Mapping) else "an empty list"
    if not hidden and isinstance(value, bool):
        return str(value).lower()
    if not hidden and isinstance(value, int | float):
        return str(value)
    if not hidden and isinstance(value, str):
        return repr(value if len(value) <= _LONGEST_QUOTE else value[:_LONGEST_QUOTE] + "…")
    return next((name for known, name in _TYPES if isinstance(value, known)), f"a {type(value).__name__}")
