"""How far a pull or push has come, from the engine's many small messages."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Phase = Literal["pulling", "pushing"]

# Where a layer stands when the engine says this of it: from, to; the numbers that come with it lie between.
_STAGES = {
    "Downloading": (0.0, 0.5),
    "Verifying Checksum": (0.5, 0.5),
    "Download complete": (0.5, 0.5),
    "Extracting": (0.5, 1.0),
    "Pull complete": (1.0, 1.0),
    "Already exists": (1.0, 1.0),
    "Pushing": (0.0, 1.0),
    "Pushed": (1.0, 1.0),
    "Layer already exists": (1.0, 1.0),
}
_MOUNTED = "Mounted from"
_DIGEST = re.compile(r"Digest: ([a-z0-9]+:[0-9a-f]{32,})")


@dataclass(frozen=True)
class Layer:
    """What the engine last said of a layer; `current` and `total` are bytes, 0 when it did not tell."""

    status: str
    current: int
    total: int

    @property
    def fraction(self) -> float:
        start, end = (1.0, 1.0) if self.status.startswith(_MOUNTED) else _STAGES.get(self.status, (0.0, 0.0))
        part = min(self.current / self.total, 1.0) if self.total > 0 else 0.0
        return start + (end - start) * part


@dataclass(frozen=True)
class Progress:
    """`fraction` goes from 0 to 1 and never back; `layers` by the short id that the engine shows.

    `digest` is the manifest's, once the engine has told it.
    """

    phase: Phase
    fraction: float
    layers: Mapping[str, Layer]
    digest: str | None = None


class Transfer:
    """Adds up the messages of one pull or push; tells `on_event` at most once in `every_s` seconds, and at the end."""

    def __init__(self, phase: Phase, on_event: Callable[[Progress], None], *, every_s: float = 0.2) -> None:
        self._phase = phase
        self._on_event = on_event
        self._every_s = every_s
        self._layers: dict[str, Layer] = {}
        self._fraction = 0.0
        self._next = 0.0
        self._digest: str | None = None

    def feed(self, message: Mapping[str, Any]) -> None:
        name, status = message.get("id"), message.get("status", "")
        if told := _DIGEST.fullmatch(status):
            self._digest = told[1]
        known = (
            status in _STAGES or status.startswith(_MOUNTED) or status in ("Pulling fs layer", "Preparing", "Waiting")
        )
        if not name or not known:
            return
        detail = message.get("progressDetail") or {}
        self._layers[name] = Layer(status, int(detail.get("current") or 0), int(detail.get("total") or 0))
        if time.monotonic() >= self._next:
            self._tell(sum(layer.fraction for layer in self._layers.values()) / len(self._layers))

    def finish(self) -> None:
        self._tell(1.0)

    def _tell(self, fraction: float) -> None:
        self._next = time.monotonic() + self._every_s
        self._fraction = max(self._fraction, fraction)
        self._on_event(Progress(self._phase, self._fraction, dict(self._layers), self._digest))
