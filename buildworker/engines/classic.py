"""The Docker engine's own builder: what every Docker engine has, one step after another."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, cast

from buildworker.builder import PLAIN, BuildFailed, Options, Registries
from buildworker.context import open_context
from buildworker.engines.connection import CLEANUP_S, Client, Failure, Message, Start, only_logged
from buildworker.engines.daemon import PAUSE_S, Daemon, inspected, removed
from buildworker.output import BuildOutput, Line
from buildworker.watch import never
from config.kinds import EngineKind
from models.errors import Upstream


class DockerEngine(Daemon):
    """A `builder.Engine`. It refuses `Options` that only others have, and caches nothing."""

    kind: EngineKind = "docker"

    def build(
        self,
        context: Path,
        dockerfile: Path,
        *,
        timeout_s: float,
        on_line: Callable[[Line], None],
        cancelled: Callable[[], bool] = never,
        labels: Mapping[str, str] | None = None,
        registries: Registries | None = None,
        pull: bool = True,
        network_mode: str | None = None,
        memory_bytes: int | None = None,
        cpu_shares: int | None = None,
        options: Options = PLAIN,
    ) -> str:
        if options.secrets:
            raise BuildFailed("The Docker engine's classic builder has no secrets; it would leave them in the image.")
        opened = open_context(context, dockerfile)
        known = registries or {}
        limits = {"memory": memory_bytes, "memswap": memory_bytes, "cpushares": cpu_shares}
        chosen = {
            "dockerfile": opened.dockerfile,
            "buildargs": dict(options.args),
            "target": options.target,
            "labels": dict(labels or {}),
            "pull": pull,
            "network_mode": network_mode,
            "container_limits": {name: limit for name, limit in limits.items() if limit},
        }
        output = BuildOutput(on_line)
        failure = Failure("the build", BuildFailed, *known.values())
        try:
            with closing(self.talk(_build(opened.stream, known, chosen), failure, cancelled, timeout_s)) as messages:
                for message in messages:
                    output.feed(message)
            if output.image_id is None:
                raise Upstream(f"the Docker engine at {self.url} ended the build without a result; build again")
        finally:
            output.end()
            self._remove_leftovers(output)
        return output.image_id

    def _remove_leftovers(self, output: BuildOutput) -> None:
        """Remove stages that are no part of the image, or all of them when there is no image."""
        if not (tips := output.tips()):
            return
        patience = CLEANUP_S if output.image_id is None else 0.0
        with only_logged(), self.client(CLEANUP_S) as client:
            for image in reversed(tips):
                _remove_leftover(client, image, time.monotonic() + patience)


def _build(blocks: Iterator[bytes], registries: Registries, options: dict[str, Any]) -> Start:
    def start(client: Client) -> Iterator[Message]:
        client.registries = registries
        return client.build(
            fileobj=cast(Any, client.given_up.until_now(blocks)),
            custom_context=True,
            rm=True,
            forcerm=True,
            nocache=True,
            use_config_proxy=False,
            decode=True,
            timeout=None,
            **options,
        )

    return start


def _remove_leftover(client: Client, image: str, until: float) -> None:
    """Remove an image that a line of output named. A RUN can print any: so none that has a name or was pulled."""
    found = inspected(client, image)
    if found is None or found.get("RepoTags") or found.get("RepoDigests"):
        return
    while not removed(client.remove_image, image) and time.monotonic() < until:
        time.sleep(PAUSE_S)
