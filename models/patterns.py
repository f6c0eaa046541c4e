"""Regular expressions that users wrote: checked when they are given, and stopped when they take too long.

Python's own `re` cannot be stopped: a few characters of pattern can keep a process busy for years.
"""

import regex

from models.errors import Invalid

LONGEST = 256
_PATIENCE_S = 0.05


def check_pattern(pattern: str, *, subject: str) -> str:
    """The pattern; `Invalid` if it is none. `subject` begins the message: the field that it came in."""
    if len(pattern) > LONGEST:
        raise Invalid(f"{subject}: expected at most {LONGEST} characters")
    try:
        regex.compile(pattern)
    except regex.error as exc:
        raise Invalid(f"{subject}: expected a regular expression: {exc}") from exc
    return pattern


def matches(pattern: str, text: str, *, whole: bool = False) -> bool:
    """Whether the text begins with what the pattern describes (`whole`: and ends with it).

    One that is no pattern, or takes too long to tell, matches nothing.
    """
    try:
        compiled = regex.compile(pattern)
        match = compiled.fullmatch if whole else compiled.match
        return match(text, timeout=_PATIENCE_S) is not None
    except (regex.error, TimeoutError):
        return False
