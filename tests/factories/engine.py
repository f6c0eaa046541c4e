"""An engine without containers: it carries out Dockerfiles of a few made-up commands, and keeps images in memory."""

import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from buildworker.builder import (
    PLAIN,
    BuildFailed,
    BuildTimeout,
    Credentials,
    EngineInfo,
    Options,
    PullFailed,
    PushFailed,
)
from buildworker.dockerfile import base_images, instructions
from buildworker.output import Line
from buildworker.progress import Progress
from buildworker.watch import Cancelled, never
from config.kinds import EngineKind
from models.errors import Conflict, Upstream


@dataclass
class MemoryEngine:
    """A `builder.Engine`. `private` images need these credentials, any other can be pulled by anybody.

    `RUN echo TEXT`, `RUN exit CODE`, `RUN leak` (prints all passwords it was given), `RUN wait` (until `gate` is set),
    `RUN crash` (fails as no engine should). While `away` it does not answer; `refusals` pushes will fail,
    `collisions` meet another of the same tag.
    """

    private: Mapping[str, Credentials] = field(default_factory=dict)
    away: bool = False
    refusals: int = 0
    collisions: int = 0
    gate: threading.Event = field(default_factory=threading.Event)
    waiting: threading.Event = field(default_factory=threading.Event)
    images: dict[str, Mapping[str, str]] = field(default_factory=dict)
    pulled: dict[str, Credentials | None] = field(default_factory=dict)
    pushed: dict[str, Credentials | None] = field(default_factory=dict)
    asked: list[Options] = field(default_factory=list)
    kind: EngineKind = "docker"

    def ping(self) -> EngineInfo:
        self._answer()
        return EngineInfo("1.0", "1.41", "linux/amd64", frozenset({"linux/amd64"}))

    def pull(
        self,
        image: str,
        *,
        auth: Credentials | None,
        on_event: Callable[[Progress], None],
        cancelled: Callable[[], bool] = never,
        timeout_s: float | None = None,
    ) -> None:
        self._answer()
        self._check(image, auth)
        on_event(Progress("pulling", 1.0, {}, f"sha256:{hashlib.sha256(image.encode()).hexdigest()}"))
        self.pulled[image] = auth

    def build(
        self,
        context: Path,
        dockerfile: Path,
        *,
        options: Options = PLAIN,
        timeout_s: float,
        on_line: Callable[[Line], None],
        cancelled: Callable[[], bool] = never,
    ) -> str:
        self._answer()
        text = dockerfile.read_text()
        known = options.registries
        self.asked.append(options)
        for image in base_images(text, options.args, options.target):
            self._check(image, known.get(image.partition("/")[0]))
        steps = list(instructions(text))
        end = time.monotonic() + timeout_s
        for number, step in enumerate(steps, 1):
            announced = f"Step {number}/{len(steps)} : {step.keyword} {step.rest}"
            on_line(Line(announced, "command", number, len(steps)))
            if step.keyword == "RUN":
                for line in self._run(step.rest, known.values(), cancelled, end):
                    on_line(Line(line))
        image_id = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
        self.images[image_id] = options.labels
        return image_id

    def push(
        self,
        image_id: str,
        repository: str,
        tag: str,
        *,
        auth: Credentials | None,
        on_event: Callable[[Progress], None],
        cancelled: Callable[[], bool] = never,
        timeout_s: float | None = None,
    ) -> str:
        self._answer()
        if image_id not in self.images:
            raise Upstream(f"No such image: {image_id}")
        if self.collisions:
            self.collisions -= 1
            raise Conflict(f"another build pushed {repository}:{tag} at the same moment; build again")
        if self.refusals:
            self.refusals -= 1
            raise PushFailed(f"{repository}:{tag}: the registry refuses it")
        on_event(Progress("pushing", 1.0, {}))
        self.pushed[f"{repository}:{tag}"] = auth
        return image_id

    def remove_image(self, reference: str) -> bool:
        self._answer()
        return self.images.pop(reference, None) is not None

    def remove_by_label(self, key: str, value: str) -> int:
        self._answer()
        found = [image for image, labels in self.images.items() if labels.get(key) == value]
        for image in found:
            del self.images[image]
        return len(found)

    def _answer(self) -> None:
        if self.away:
            raise Upstream("no Docker engine at memory: start it")

    def _check(self, image: str, auth: Credentials | None) -> None:
        if image in self.private and self.private[image] != auth:
            raise PullFailed(f"{image}: denied")

    def _run(
        self, command: str, known: Iterable[Credentials], cancelled: Callable[[], bool], end: float
    ) -> Iterable[str]:
        word, _, rest = re.sub(r"^(--\S+ )*", "", command).partition(" ")
        if word == "echo":
            return [rest]
        if word == "leak":
            return [f"the password is {credentials.password}!" for credentials in known]
        if word == "exit":
            raise BuildFailed(f"The command '{command}' returned a non-zero code: {rest}", int(rest))
        if word == "crash":
            raise RuntimeError("the engine has a mistake")
        self.waiting.set()
        while not self.gate.wait(0.02):
            if cancelled():
                raise Cancelled
            if time.monotonic() >= end:
                raise BuildTimeout("too long")
        return []
