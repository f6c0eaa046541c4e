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


class Selector:
    """Picks the names that a pattern describes, or with `inverted` all others; without a pattern, every name.

    `anywhere`: the pattern may describe any part of a name, not only its beginning. Once it took too long to tell,
    nothing is picked any more: what is picked may be lost, or never changed again.
    """

    def __init__(self, pattern: str | None, *, inverted: bool = False, anywhere: bool = False) -> None:
        self._inverted = inverted
        self.gave_up = False
        try:
            compiled = None if pattern is None else regex.compile(pattern)
        except regex.error:  # stored by a version that knew other rules
            compiled, self.gave_up = None, True
        self._find = None if compiled is None else compiled.search if anywhere else compiled.match

    def picks(self, name: str) -> bool:
        if self.gave_up:
            return False
        if self._find is None:
            return True
        try:
            found = self._find(name, timeout=_PATIENCE_S) is not None
        except TimeoutError:
            self.gave_up = True
            return False
        return found != self._inverted
