"""What a build prints, as lines that are safe to keep and to show."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

MAX_LINE = 8192  # characters; the rest of a longer line is dropped

_IMAGE = re.compile(r" ---> ([0-9a-f]{12})")
_FROM = re.compile(r"Step \S+ : FROM\s", re.IGNORECASE)
# What the engine itself says between steps. It does not care whether a command had ended its last line.
_ENGINE = re.compile(r"Step \d+/\d+ : |Removing intermediate container | ---> ")
_STEP = re.compile(r"Step (\d{1,6})/(\d{1,6}) : ")
# Colours and cursor movements, titles and other strings, and single escapes (ECMA-48, sections 5.3 to 5.6).
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|[ -/]*[0-~])?")
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class Line:
    """A line of output; a `command` is the engine's announcement of step `step` of `steps`."""

    text: str
    kind: Literal["command", "output"] = "output"
    step: int | None = None
    steps: int | None = None


class Lines:
    """Puts together the lines of text that comes in pieces, in bounded memory."""

    def __init__(self) -> None:
        self._rest = ""

    def feed(self, text: str) -> Iterator[Line]:
        """The lines that `text` completes."""
        *lines, rest = (self._rest + text).split("\n")
        for line in lines:
            yield _line(line)
        if len(rest) > 2 * MAX_LINE:
            # A progress bar draws over itself: only what it drew last counts. The last return may belong to a newline.
            rest = rest[:-1].rpartition("\r")[2][: MAX_LINE + 1] + rest[-1]
        self._rest = rest

    def end(self) -> Iterator[Line]:
        """The last line, if nothing ended it."""
        if self._rest:
            yield _line(self._rest)
            self._rest = ""


def clean(text: str) -> str:
    """`text` without escape sequences and control characters, no longer than `MAX_LINE`."""
    plain = _CONTROLS.sub("", _ESCAPES.sub("", text))
    return plain if len(plain) <= MAX_LINE else f"{plain[:MAX_LINE]}…"


def _line(raw: str) -> Line:
    text = clean(raw.rstrip("\r").rpartition("\r")[2])
    if step := _STEP.match(text):
        return Line(text, "command", int(step[1]), int(step[2]))
    return Line(text)


@dataclass
class _Stage:
    """A stage of the Dockerfile: `tip` is the last image made in it; what it begins with is not ours."""

    tip: str | None = None
    in_from: bool = True


class BuildOutput:
    """Reads a build's messages: lines for the caller, and the images that it makes."""

    def __init__(self, on_line: Callable[[Line], None]) -> None:
        self.image_id: str | None = None
        self._on_line = on_line
        self._lines = Lines()
        self._stages: list[_Stage] = []

    def feed(self, message: Mapping[str, Any]) -> None:
        self.image_id = (message.get("aux") or {}).get("ID", self.image_id)
        text = str(message.get("stream", ""))
        if "status" in message and "progressDetail" not in message:
            text = f"{message['status']}\n"
        if _ENGINE.match(text):
            self.end()
        for line in self._lines.feed(text):
            self._tell(line)

    def end(self) -> None:
        for line in self._lines.end():
            self._tell(line)

    def tips(self) -> list[str]:
        """The last image of each stage, but the result."""
        tips = [stage.tip for stage in self._stages if stage.tip]
        return [tip for tip in tips if not (self.image_id or "").startswith(f"sha256:{tip}")]

    def _tell(self, line: Line) -> None:
        if line.kind == "command":
            if _FROM.match(line.text):
                self._stages.append(_Stage())
            elif self._stages:
                self._stages[-1].in_from = False
        elif self._stages and not self._stages[-1].in_from and (image := _IMAGE.fullmatch(line.text)):
            self._stages[-1].tip = image[1]
        self._on_line(line)
