"""What BuildKit tells of a build, as lines: the steps of all stages, which go on side by side, and what they print."""

import base64
import binascii
import codecs
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from buildworker.engines.protobuf import Malformed, fields, texts
from buildworker.output import Line, Lines, clean

# "[builder 2/3] RUN make", "[2/3] RUN make"; what has no number is BuildKit's own work.
_STEP = re.compile(r"\[(?:(\S+) )?(\d{1,6})/(\d{1,6})\] (.*)", re.DOTALL)
_OWN = re.compile(r"\[internal\]|\[auth\]|exporting |\[linux/[^]]*internal\]")
_CODE = re.compile(r"exit code: (\d{1,3})\b")
_VERTEXES, _LOGS = 1, 3
_NAME, _CACHED, _STARTED, _COMPLETED, _ERROR = 3, 4, 5, 6, 7  # of a vertex
_TEXT = 4  # of a log


@dataclass
class _Step:
    """One piece of work. `stage` is None for BuildKit's own; `lines` puts together what it prints."""

    name: str
    stage: str | None
    announced: bool = False
    cached: bool = False
    lines: Lines = field(default_factory=Lines)
    decoder: codecs.IncrementalDecoder = field(default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace"))


class Trace:
    """Reads a build's messages: lines for the caller, and the image that comes of it."""

    def __init__(self, on_line: Callable[[Line], None]) -> None:
        self.image_id: str | None = None
        self._on_line = on_line
        self._steps: dict[str, _Step] = {}
        self._sizes: dict[str, int] = {}  # how many steps each stage has
        self._begun = 0
        self._speaker: str | None = None

    def feed(self, message: Mapping[str, Any]) -> None:
        aux = message.get("aux")
        if message.get("id") == "moby.buildkit.trace" and isinstance(aux, str):
            try:
                self._read(base64.b64decode(aux))
            except (binascii.Error, Malformed) as error:
                self._on_line(Line(f"(BuildKit told something that cannot be read: {error})"))
        elif isinstance(aux, Mapping):
            self.image_id = aux.get("ID", self.image_id)

    def end(self) -> None:
        """Tell the last lines, where nothing ended them."""
        for digest in self._steps:
            self._flush(digest)

    def _read(self, status: bytes) -> None:
        told = [(number, value) for number, value in fields(status) if isinstance(value, bytes)]
        vertexes = [value for number, value in told if number == _VERTEXES]
        for vertex in vertexes:
            self._know(vertex)
        for vertex in vertexes:
            self._progressed(vertex)
        for log in (value for number, value in told if number == _LOGS):
            self._logged(log)
        for vertex in vertexes:
            if _COMPLETED in dict(fields(vertex)):
                self._flush(texts(vertex).get(1, ""))

    def _know(self, vertex: bytes) -> None:
        told = texts(vertex)
        digest, name = told.get(1, ""), told.get(_NAME, "")
        if digest in self._steps:
            return
        found = _STEP.fullmatch(name)
        if found is None or _OWN.match(name):
            self._steps[digest] = _Step(name, None)
            return
        stage = found[1] or ""
        self._steps[digest] = _Step(found[4] if not stage else f"[{stage}] {found[4]}", stage)
        self._sizes[stage] = max(self._sizes.get(stage, 0), int(found[3]))

    def _progressed(self, vertex: bytes) -> None:
        """A step has begun, was found in the cache, or has ended."""
        numbers = dict(fields(vertex))
        step = self._steps[texts(vertex).get(1, "")]
        if step.stage is None:
            self._complain(step, texts(vertex).get(_ERROR, ""))
            return
        if not step.announced and _STARTED in numbers:
            step.announced = True
            self._begun += 1
            of = max(sum(self._sizes.values()), self._begun)
            self._on_line(Line(clean(f"Step {self._begun}/{of} : {step.name}"), "command", self._begun, of))
            self._speaker = step.name
        if numbers.get(_CACHED) and not step.cached:
            step.cached = True
            self._print(texts(vertex)[1], " ---> Using cache")

    def _complain(self, step: _Step, error: str) -> None:
        """Tell why there is no cache, which ends no build; any other failure does, and is told then."""
        if error and not step.announced and step.name.startswith("importing cache"):
            step.announced = True
            self._on_line(Line(clean(f"Without a cache: {error}")))

    def _logged(self, log: bytes) -> None:
        digest = texts(log).get(1, "")
        if step := self._steps.get(digest):
            written = b"".join(value for number, value in fields(log) if number == _TEXT and isinstance(value, bytes))
            for line in step.lines.feed(step.decoder.decode(written)):
                self._print(digest, line.text)

    def _flush(self, digest: str) -> None:
        for line in self._steps[digest].lines.end():
            self._print(digest, line.text)

    def _print(self, digest: str, text: str) -> None:
        """Tell a line; and before it whose it is, when another step has spoken last."""
        name = self._steps[digest].name
        if self._speaker != name:
            self._speaker = name
            self._on_line(Line(clean(f" ---> {name}")))
        self._on_line(Line(text))


def exit_code(error: str) -> int | None:
    """The exit code that BuildKit's word for a failure names."""
    found = _CODE.search(error)
    return int(found[1]) if found else None
