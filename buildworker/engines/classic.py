"""The Docker engine's own builder: what every Docker engine has, one step after another."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from buildworker.builder import PLAIN, BuildFailed, Credentials, Options, PullFailed, Registries
from buildworker.context import open_context
from buildworker.engines.connection import CLEANUP_S, Client, Failure, Message, Start, only_logged
from buildworker.engines.daemon import PAUSE_S, Daemon, cache_tag, inspected, removed
from buildworker.output import BuildOutput, Line
from buildworker.watch import never
from config.kinds import EngineKind
from models.errors import Upstream

_log = logging.getLogger(__name__)

_CACHE_LOST = "failed to restore cached image"
"""What an engine says when another build has just taken away a layer that it had found."""


class DockerEngine(Daemon):
    """A `builder.Engine`. It refuses `Options` that only others have, and takes steps from `cache_from` only.

    The engine's own cache is one for all who use it. An image to take steps from replaces that: only what this image
    was made by is looked at.
    """

    kind: EngineKind = "docker"

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
        if options.secrets:
            raise BuildFailed("The Docker engine's classic builder has no secrets; it would leave them in the image.")
        until = time.monotonic() + timeout_s
        try:
            return self._built(context, dockerfile, options, timeout_s, on_line=on_line, cancelled=cancelled)
        except BuildFailed as error:
            if not options.cache_from or _CACHE_LOST not in error.detail:
                raise
            _log.info("the engine lost what steps were taken from; all are done: %s", error.detail)
        plain, left_s = replace(options, cache_from=()), max(until - time.monotonic(), 0.0)
        return self._built(context, dockerfile, plain, left_s, on_line=on_line, cancelled=cancelled)

    def _built(
        self,
        context: Path,
        dockerfile: Path,
        options: Options,
        timeout_s: float,
        *,
        on_line: Callable[[Line], None],
        cancelled: Callable[[], bool],
    ) -> str:
        opened = open_context(context, dockerfile)
        known, memory = options.registries, options.memory_bytes
        limits = {"memory": memory, "memswap": memory, "cpushares": options.cpu_shares}
        chosen = {
            "dockerfile": opened.dockerfile,
            "buildargs": dict(options.args),
            "target": options.target,
            "labels": dict(options.labels),
            "pull": options.pull,
            "network_mode": options.network_mode,
            "container_limits": {name: limit for name, limit in limits.items() if limit},
        }
        output = BuildOutput(on_line)
        failure = Failure("the build", BuildFailed, *known.values())
        try:
            with (
                self._cached(options, known, cancelled, timeout_s) as cache,
                closing(
                    self.talk(_build(opened.stream, known, chosen | cache), failure, cancelled, timeout_s)
                ) as messages,
            ):
                for message in messages:
                    output.feed(message)
            if output.image_id is None:
                raise Upstream(f"the Docker engine at {self.url} ended the build without a result; build again")
        finally:
            output.end()
            self._remove_leftovers(output)
        return output.image_id

    @contextmanager
    def _cached(
        self, options: Options, known: Registries, cancelled: Callable[[], bool], timeout_s: float
    ) -> Iterator[dict[str, Any]]:
        """Where steps may be taken from, pulled and held by a name of this build's own. Without it all are done."""
        name = cache_tag(options.build)
        auths = {image: options.cache_login or known.get(image.partition("/")[0]) for image in options.cache_from}
        if not any(self._hold(image, name, auth, cancelled, timeout_s) for image, auth in auths.items()):
            yield {"nocache": True}
            return
        try:
            yield {"nocache": False, "cache_from": [name]}
        finally:
            with only_logged(), self.client(CLEANUP_S) as client:
                removed(client.remove_image, name)

    def _hold(
        self, image: str, name: str, auth: Credentials | None, cancelled: Callable[[], bool], timeout_s: float
    ) -> bool:
        """Whether the image is there now, by this name alone: other builds have names of their own for it."""
        repository, _, tag = name.rpartition(":")
        try:
            self.pull(image, auth=auth, on_event=lambda _: None, cancelled=cancelled, timeout_s=timeout_s)
            with self.client() as client:
                client.tag(image, repository, tag, force=True)
                removed(client.remove_image, image)
        except (PullFailed, Upstream) as error:
            _log.info("no steps are taken from %s: %s", image, error.detail)
            return False
        return True

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
