"""BuildKit, as it is part of the Docker engine: stages side by side, secrets, cache mounts and a cache.

The request is the classic builder's with another version; the messages that come back are `trace.Trace`'s, and what
BuildKit asks meanwhile is answered by `session.Session`.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

from buildworker.builder import PLAIN, BuildFailed, Options
from buildworker.context import open_context
from buildworker.engines.connection import Client, Failure, Message, Start
from buildworker.engines.daemon import Daemon
from buildworker.engines.platforms import emulated
from buildworker.engines.session import Session
from buildworker.engines.trace import Trace, exit_code
from buildworker.output import Line
from buildworker.watch import never
from config.kinds import EngineKind
from models.errors import DomainError, Upstream

_VERSION = 2  # of the build request: BuildKit
_BROKEN_OFF = ("no active session", "failed to receive status", "transport is closing")


class BuildKitEngine(Daemon):
    """A `builder.Engine`. The engine keeps its cache, within the limits of its own configuration."""

    kind: EngineKind = "buildkit"

    def platforms(self, own: str) -> frozenset[str]:
        # A socket leads to this machine's kernel; of others nothing is known.
        return frozenset({own}) | (emulated() if self.url.startswith("unix:") else frozenset())

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
        opened = open_context(context, dockerfile)
        known = options.registries
        trace = Trace(on_line)
        failure = Failure("the build", _failed, *known.values(), secrets=options.secrets.values())
        params = _params(options, opened.dockerfile)
        try:
            with Session(self.url, options.secrets, known) as session:
                start = _start(opened.stream, {**params, "session": session.id})
                with closing(self.talk(start, failure, cancelled, timeout_s)) as messages:
                    for message in messages:
                        trace.feed(message)
        finally:
            trace.end()
        if trace.image_id is None:
            raise Upstream(f"the Docker engine at {self.url} ended the build without a result; build again")
        return trace.image_id


def _params(options: Options, dockerfile: str) -> dict[str, Any]:
    args = dict(options.args)
    if options.scope:
        args["BUILDKIT_CACHE_MOUNT_NS"] = _place(options.scope)
    if options.cache_out:
        args["BUILDKIT_INLINE_CACHE"] = "1"
    params: dict[str, Any] = {
        "version": _VERSION,
        "dockerfile": dockerfile,
        "buildargs": json.dumps(args),
        "labels": json.dumps(dict(options.labels)),
        "rm": True,
        "forcerm": True,
        "nocache": options.scope is None,
        "pull": options.pull,
        "cachefrom": json.dumps(list(options.cache_from)),
    }
    if options.scope:
        # BuildKit's cache is one for the whole engine, and a RUN that was answered with somebody's secret must not be
        # had by repeating its text. The names of extra hosts count as a part of each RUN; this one leads nowhere.
        params["extrahosts"] = f"{_place(options.scope)}.cache.invalid:0.0.0.0"
    chosen = {"target": options.target, "platform": options.platform, "networkmode": options.network_mode}
    return params | {name: value for name, value in chosen.items() if value}


def _place(scope: str) -> str:
    """A name for what a scope has in the cache, of letters that a host's name may have."""
    return hashlib.sha256(scope.encode()).hexdigest()[:32]


def _start(blocks: Iterator[bytes], params: dict[str, Any]) -> Start:
    def start(client: Client) -> Iterator[Message]:
        api = cast(Any, client)
        response = api._post(  # noqa: SLF001 - the SDK's `build` knows nothing of sessions
            api._url("/build"),  # noqa: SLF001
            data=client.given_up.until_now(blocks),
            params=params,
            headers={"Content-Type": "application/x-tar"},
            stream=True,
            timeout=None,
        )
        return cast(Iterator[Message], api._stream_helper(response, decode=True))  # noqa: SLF001

    return start


def _failed(text: str, code: int | None) -> DomainError:
    if any(words in text for words in _BROKEN_OFF):
        return Upstream(f"the engine lost the build: {text}")
    return BuildFailed(text, exit_code(text) or code)
