"""The Docker engine that builds, pulls and pushes; the only file that knows the docker SDK.

A long request is read in a thread of its own (`watch.watched`), so that a cancel or a deadline ends it however silent
the engine is: the connection is closed, and the engine gives up what it was doing for it.
"""

import logging
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import requests
import urllib3
from docker import APIClient
from docker.auth import INDEX_NAME, INDEX_URL, encode_header
from docker.errors import APIError, DockerException, InvalidRepository, NotFound
from docker.utils import parse_repository_tag

from buildworker.builder import BuildFailed, BuildTimeout, Credentials, EngineInfo, PullFailed, PushFailed, Registries
from buildworker.context import open_context
from buildworker.output import BuildOutput, Line, clean
from buildworker.progress import Progress, Transfer
from buildworker.watch import DeadlinePassed, never, watched
from models.errors import Conflict, DomainError, Upstream

_log = logging.getLogger(__name__)
_PING_TIMEOUT_S = 5.0
_SHORT_TIMEOUT_S = 120.0
# The engine needs a moment to end the container of a build that was given up, which holds the image below it. A silent
# engine is not waited for longer either.
_CLEANUP_S = 5.0
_PAUSE_S = 0.2
_HELD = "drydock-build"
_BROKEN = (requests.RequestException, urllib3.exceptions.HTTPError, DockerException, OSError)
_Message = dict[str, Any]
_Start = Callable[["_Client"], Iterator[_Message]]


class DockerEngine:
    """A `builder.Engine`: the one at `url`, such as `unix:///var/run/docker.sock` or `tcp://10.0.0.5:2375`."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ping(self) -> EngineInfo:
        with self._client(_PING_TIMEOUT_S) as client:
            found = client.version()
        return EngineInfo(found["Version"], found["ApiVersion"], f"{found['Os']}/{found['Arch']}")

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
        failure = _Failure(f"pulling {image}", lambda text, _: PullFailed(f"{image}: {text}"), auth)

        def start(client: _Client) -> Iterator[_Message]:
            # Without a tag the engine would fetch all there are.
            messages = client.pull(name, tag=tag or "latest", stream=True, decode=True, auth_config=_auth(auth))
            return cast(Iterator[_Message], messages)

        with closing(self._talk(start, failure, cancelled, timeout_s)) as messages:
            for message in messages:
                transfer.feed(message)
        transfer.finish()

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
    ) -> str:
        opened = open_context(context, dockerfile)
        known = registries or {}
        limits = {"memory": memory_bytes, "memswap": memory_bytes, "cpushares": cpu_shares}
        options = {
            "dockerfile": opened.dockerfile,
            "labels": dict(labels or {}),
            "pull": pull,
            "network_mode": network_mode,
            "container_limits": {name: limit for name, limit in limits.items() if limit},
        }
        output = BuildOutput(on_line)
        failure = _Failure("the build", BuildFailed, *known.values())
        try:
            with closing(self._talk(_build(opened.stream, known, options), failure, cancelled, timeout_s)) as messages:
                for message in messages:
                    output.feed(message)
            if output.image_id is None:
                raise Upstream(f"the Docker engine at {self.url} ended the build without a result; build again")
        finally:
            output.end()
            self._remove_leftovers(output)
        return output.image_id

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
        failure = _Failure(f"pushing {name}", lambda text, _: PushFailed(f"{name}: {text}"), auth)
        digest = ""

        def start(client: _Client) -> Iterator[_Message]:
            messages = client.push(repository, tag=tag, stream=True, decode=True, auth_config=_auth(auth))
            return cast(Iterator[_Message], messages)

        with (
            self._tagged(image_id, repository, tag),
            closing(self._talk(start, failure, cancelled, timeout_s)) as messages,
        ):
            for message in messages:
                transfer.feed(message)
                digest = message.get("aux", {}).get("Digest", digest)
        if not digest:
            raise Upstream(f"the Docker engine at {self.url} did not say what it pushed as {name}; build again")
        transfer.finish()
        return digest

    def remove_image(self, reference: str) -> bool:
        with self._client() as client:
            if reference.startswith("sha256:"):
                # By its id the engine removes an image only that has one name at most.
                for name in (_held(reference), *((_inspected(client, reference) or {}).get("RepoDigests") or ())):
                    _removed(client.remove_image, name)
            return _removed(client.remove_image, reference)

    def remove_by_label(self, key: str, value: str) -> int:
        filters = {"label": f"{key}={value}"}
        with self._client() as client:
            containers = _remove_containers(client, filters)
            images = client.images(filters=filters)
            for image in images:
                for name in (*(image.get("RepoTags") or ()), image["Id"]):
                    _removed(client.remove_image, name)
        return containers + len(images)

    @contextmanager
    def _tagged(self, image_id: str, repository: str, tag: str) -> Iterator[None]:
        """While a push needs it, the image has this tag. One that another build took over meanwhile is left to it."""
        name = f"{repository}:{tag}"
        with self._client() as client:
            # With its last tag the engine removes an image. This one stays, for further pushes, until `remove_image`.
            client.tag(image_id, _held(image_id), force=True)
            client.tag(image_id, repository, tag, force=True)
        try:
            yield
        except BaseException:
            with _only_logged(), self._client(_CLEANUP_S) as client:
                _untagged(client, name, image_id)
            raise
        with self._client() as client:
            if not _untagged(client, name, image_id):
                raise Conflict(f"another build pushed {name} at the same moment; build again")

    def _remove_leftovers(self, output: BuildOutput) -> None:
        """Remove stages that are no part of the image, or all of them when there is no image."""
        if not (tips := output.tips()):
            return
        patience = _CLEANUP_S if output.image_id is None else 0.0
        with _only_logged(), self._client(_CLEANUP_S) as client:
            for image in reversed(tips):
                _remove_leftover(client, image, time.monotonic() + patience)

    def _talk(
        self, start: _Start, failure: "_Failure", cancelled: Callable[[], bool], timeout_s: float | None
    ) -> Generator[_Message, None, None]:
        """The messages of a long request; an error among them is raised."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        stop = _Stop()
        messages = watched(lambda: self._read(start, stop), cancelled=cancelled, deadline=deadline, abort=stop.now)
        try:
            with closing(messages):
                for message in messages:
                    if "error" in message:
                        code = (message.get("errorDetail") or {}).get("code")
                        raise failure.error(str(message["error"]), code)
                    yield message
        except DeadlinePassed as error:
            raise BuildTimeout(f"{failure.what} took longer than {timeout_s:g} seconds") from error
        except (APIError, InvalidRepository) as error:
            raise failure.error(str(getattr(error, "explanation", None) or error), None) from None
        except _BROKEN as error:
            raise Upstream(f"the Docker engine at {self.url} broke the connection off; build again") from error

    def _read(self, start: _Start, stop: "_Stop") -> Iterator[_Message]:
        with self._client(None) as client, closing(stop):
            client.given_up = stop
            client.hooks["response"].append(stop.answered)
            yield from start(client)

    @contextmanager
    def _client(self, timeout_s: float | None = _SHORT_TIMEOUT_S) -> Iterator["_Client"]:
        """A connection. What goes wrong in an ordinary request is `Upstream`; `_talk` gets to see it as it is."""
        self._probe()
        try:
            client = _Client(base_url=self.url, version="auto", timeout=cast(int, timeout_s))
        except DockerException as error:
            raise self._away(error) from error
        try:
            yield client
        except APIError as error:
            if timeout_s is None:
                raise
            raise Upstream(f"the Docker engine at {self.url} refuses: {error.explanation}") from error
        except requests.RequestException as error:
            if timeout_s is None:
                raise
            raise self._away(error) from error
        finally:
            client.close()

    def _probe(self) -> None:
        # The SDK forgets to close a socket that it cannot connect, and does not tell why it could not.
        path = self.url.removeprefix("unix://")
        if path == self.url:
            return
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(_PING_TIMEOUT_S)
            try:
                probe.connect(path)
            except OSError as error:
                raise self._away(error) from error

    def _away(self, error: Exception) -> Upstream:
        if isinstance(error, PermissionError):
            return Upstream(f"this user may not use the Docker engine at {self.url}: add it to the group docker")
        return Upstream(f"no Docker engine at {self.url}: start dockerd or set BUILD_ENGINE_URL")


class _Client(APIClient):
    """The SDK's client, with the credentials of one build instead of those in the worker's home folder."""

    registries: Registries
    given_up: "_Stop"

    def _set_auth_headers(self, headers: dict[str, str]) -> None:
        if self.registries:
            names = {INDEX_NAME: INDEX_URL}
            known = {names.get(name, name): _auth(credentials) for name, credentials in self.registries.items()}
            headers["X-Registry-Config"] = encode_header(known).decode("ascii")


class _Stop:
    """Ends a request from another thread, in whatever state it is."""

    def __init__(self) -> None:
        self._left = threading.Event()
        self._response: requests.Response | None = None

    def now(self) -> None:
        self._left.set()
        if self._response is not None:
            with suppress(RuntimeError, ValueError, OSError):  # it has ended by itself
                self._response.raw.shutdown()

    def answered(self, response: requests.Response, *_: object, **__: object) -> None:
        """The hook that `requests` calls when the answer begins."""
        self._response = response
        if self._left.is_set():
            self.now()

    def until_now(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        """A body to send, cut off when it is time."""
        for block in blocks:
            if self._left.is_set():
                raise ConnectionAbortedError("given up")
            yield block

    def close(self) -> None:
        if self._response is not None:
            self._response.close()


class _Failure:
    """How the engine's word for a failure becomes an error: without control characters, and without a password."""

    def __init__(self, what: str, kind: Callable[[str, int | None], DomainError], *known: Credentials | None) -> None:
        self.what = what
        self._kind = kind
        self._secrets = [credentials.password for credentials in known if credentials and credentials.password]

    def error(self, text: str, code: int | None) -> DomainError:
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return self._kind(clean(text), code)


@contextmanager
def _only_logged() -> Iterator[None]:
    """For tidying up: the result of the work itself matters more than a failure in this."""
    try:
        yield
    except Upstream as error:
        _log.warning("the engine keeps what a build left: %s", error.detail)


def _build(blocks: Iterator[bytes], registries: Registries, options: dict[str, Any]) -> _Start:
    def start(client: _Client) -> Iterator[_Message]:
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


def _auth(credentials: Credentials | None) -> dict[str, str]:
    """As the engine wants it. Empty means nobody; without it, the SDK would look into the worker's home folder."""
    return {"username": credentials.username, "password": credentials.password} if credentials else {}


def _held(image_id: str) -> str:
    """The name that keeps an image on the engine between two pushes."""
    return f"{_HELD}:{image_id.removeprefix('sha256:')}"


def _inspected(client: _Client, image: str) -> Mapping[str, Any] | None:
    try:
        return cast(Mapping[str, Any], cast(Any, client).inspect_image(image))
    except NotFound:
        return None


def _remove_containers(client: _Client, filters: dict[str, str]) -> int:
    """Remove the containers, waiting for those that the engine is removing already; says how many there were."""
    until = time.monotonic() + _CLEANUP_S
    found: set[str] = set()
    while there := [container["Id"] for container in client.containers(all=True, filters=filters)]:
        found.update(there)
        for each in there:
            _removed(client.remove_container, each, v=True, force=True)
        if time.monotonic() > until:
            _log.warning("the engine still has containers of a build: %s", ", ".join(there))
            break
        time.sleep(_PAUSE_S)
    return len(found)


def _removed(remove: Callable[..., object], what: str, **options: bool) -> bool:
    """Whether it is gone; False if something uses it, or somebody else is removing it."""
    try:
        remove(what, **options)
    except APIError as error:
        if error.status_code not in (requests.codes.not_found, requests.codes.conflict):
            raise
        return bool(error.status_code == requests.codes.not_found)
    return True


def _untagged(client: _Client, name: str, image_id: str) -> bool:
    """Take the name away again; False when it is another image's now."""
    if (_inspected(client, name) or {}).get("Id") != image_id:
        return False
    _removed(client.remove_image, name)
    return True


def _remove_leftover(client: _Client, image: str, until: float) -> None:
    """Remove an image that a line of output named. A RUN can print any: so none that has a name or was pulled."""
    found = _inspected(client, image)
    if found is None or found.get("RepoTags") or found.get("RepoDigests"):
        return
    while not _removed(client.remove_image, image) and time.monotonic() < until:
        time.sleep(_PAUSE_S)
