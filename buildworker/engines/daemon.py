"""What every engine of a Docker daemon does alike: pull, push and remove images."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, cast

import requests
from docker.errors import APIError, NotFound
from docker.utils import parse_repository_tag

from buildworker.builder import Credentials, EngineInfo, PullFailed, PushFailed
from buildworker.engines.connection import (
    CLEANUP_S,
    PING_TIMEOUT_S,
    Client,
    Connection,
    Failure,
    Message,
    auth_header,
    only_logged,
)
from buildworker.progress import Progress, Transfer
from buildworker.watch import never
from models.errors import Conflict, Upstream

_log = logging.getLogger(__name__)
PAUSE_S = 0.2
_HELD = "drydock-build"


class Daemon(Connection):
    """The half of a `builder.Engine` that is no building."""

    def ping(self) -> EngineInfo:
        with self.client(PING_TIMEOUT_S) as client:
            found = client.version()
        own = f"{found['Os']}/{found['Arch']}"
        return EngineInfo(found["Version"], found["ApiVersion"], own, self.platforms(own))

    def platforms(self, own: str) -> frozenset[str]:
        """What it can build for, being of the platform `own` itself."""
        return frozenset({own})

    def pull(
        self,
        image: str,
        *,
        auth: Credentials | None,
        on_event: Callable[[Progress], None],
        cancelled: Callable[[], bool] = never,
        timeout_s: float | None = None,
    ) -> None:
        name, tag = parse_repository_tag(image)
        transfer = Transfer("pulling", on_event)
        failure = Failure(f"pulling {image}", lambda text, _: PullFailed(f"{image}: {text}"), auth)

        def start(client: Client) -> Iterator[Message]:
            # Without a tag the engine would fetch all there are.
            messages = client.pull(name, tag=tag or "latest", stream=True, decode=True, auth_config=auth_header(auth))
            return cast(Iterator[Message], messages)

        with closing(self.talk(start, failure, cancelled, timeout_s)) as messages:
            for message in messages:
                transfer.feed(message)
        transfer.finish()

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
        name = f"{repository}:{tag}"
        transfer = Transfer("pushing", on_event)
        failure = Failure(f"pushing {name}", lambda text, _: PushFailed(f"{name}: {text}"), auth)
        digest = ""

        def start(client: Client) -> Iterator[Message]:
            messages = client.push(repository, tag=tag, stream=True, decode=True, auth_config=auth_header(auth))
            return cast(Iterator[Message], messages)

        with (
            self._tagged(image_id, repository, tag),
            closing(self.talk(start, failure, cancelled, timeout_s)) as messages,
        ):
            for message in messages:
                transfer.feed(message)
                digest = message.get("aux", {}).get("Digest", digest)
        if not digest:
            raise Upstream(f"the Docker engine at {self.url} did not say what it pushed as {name}; build again")
        transfer.finish()
        return digest

    def remove_image(self, reference: str) -> bool:
        with self.client() as client:
            if reference.startswith("sha256:"):
                # By its id the engine removes an image only that has one name at most.
                for name in (_held(reference), *((inspected(client, reference) or {}).get("RepoDigests") or ())):
                    removed(client.remove_image, name)
            return removed(client.remove_image, reference)

    def remove_by_label(self, key: str, value: str) -> int:
        filters = {"label": f"{key}={value}"}
        with self.client() as client:
            containers = _remove_containers(client, filters)
            images = client.images(filters=filters)
            removed(client.remove_image, cache_tag(value))
            for image in images:
                for name in (*(image.get("RepoTags") or ()), image["Id"]):
                    removed(client.remove_image, name)
        return containers + len(images)

    @contextmanager
    def _tagged(self, image_id: str, repository: str, tag: str) -> Iterator[None]:
        """While a push needs it, the image has this tag. One that another build took over meanwhile is left to it."""
        name = f"{repository}:{tag}"
        with self.client() as client:
            # With its last tag the engine removes an image. This one stays, for further pushes, until `remove_image`.
            client.tag(image_id, _held(image_id), force=True)
            client.tag(image_id, repository, tag, force=True)
        try:
            yield
        except BaseException:
            with only_logged(), self.client(CLEANUP_S) as client:
                _untagged(client, name, image_id)
            raise
        with self.client() as client:
            if not _untagged(client, name, image_id):
                raise Conflict(f"another build pushed {name} at the same moment; build again")


def cache_tag(build: str) -> str:
    """The name by which a build holds the image that it takes steps from, whoever else lets go of it."""
    return f"{_HELD}:cache-{build}"


def _held(image_id: str) -> str:
    """The name that keeps an image on the engine between two pushes."""
    return f"{_HELD}:{image_id.removeprefix('sha256:')}"


def inspected(client: Client, image: str) -> Mapping[str, Any] | None:
    try:
        return cast(Mapping[str, Any], cast(Any, client).inspect_image(image))
    except NotFound:
        return None


def _remove_containers(client: Client, filters: dict[str, str]) -> int:
    """Remove the containers, waiting for those that the engine is removing already; says how many there were."""
    until = time.monotonic() + CLEANUP_S
    found: set[str] = set()
    while there := [container["Id"] for container in client.containers(all=True, filters=filters)]:
        found.update(there)
        for each in there:
            removed(client.remove_container, each, v=True, force=True)
        if time.monotonic() > until:
            _log.warning("the engine still has containers of a build: %s", ", ".join(there))
            break
        time.sleep(PAUSE_S)
    return len(found)


def removed(remove: Callable[..., object], what: str, **options: bool) -> bool:
    """Whether it is gone; False if something uses it, or somebody else is removing it."""
    try:
        remove(what, **options)
    except APIError as error:
        if error.status_code not in (requests.codes.not_found, requests.codes.conflict):
            raise
        return bool(error.status_code == requests.codes.not_found)
    return True


def _untagged(client: Client, name: str, image_id: str) -> bool:
    """Take the name away again; False when it is another image's now."""
    if (inspected(client, name) or {}).get("Id") != image_id:
        return False
    removed(client.remove_image, name)
    return True
