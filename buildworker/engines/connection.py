"""Talking to a Docker engine, in short requests and long ones.

A long request is read in a thread of its own (`watch.watched`), so that a cancel or a deadline ends it however silent
the engine is: the connection is closed, and the engine gives up what it was doing for it.
"""

import logging
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any, cast

import requests
import urllib3
from docker import APIClient
from docker.auth import INDEX_NAME, INDEX_URL, encode_header
from docker.errors import APIError, DockerException, InvalidRepository

from buildworker.builder import BuildTimeout, Credentials, Registries
from buildworker.output import clean
from buildworker.watch import DeadlinePassed, watched
from models.errors import DomainError, Upstream

_log = logging.getLogger(__name__)
PING_TIMEOUT_S = 5.0
_SHORT_TIMEOUT_S = 120.0
# The engine needs a moment to end the container of a build that was given up, which holds the image below it. A silent
# engine is not waited for longer either.
CLEANUP_S = 5.0
_BROKEN = (requests.RequestException, urllib3.exceptions.HTTPError, DockerException, OSError)
Message = dict[str, Any]
Start = Callable[["Client"], Iterator[Message]]


class Connection:
    """How the engine at `url` is reached, such as `unix:///var/run/docker.sock` or `tcp://10.0.0.5:2375`."""

    def __init__(self, url: str) -> None:
        self.url = url

    def talk(
        self, start: Start, failure: "Failure", cancelled: Callable[[], bool], timeout_s: float | None
    ) -> Generator[Message, None, None]:
        """The messages of a long request; an error among them is raised."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        stop = Stop()
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

    def _read(self, start: Start, stop: "Stop") -> Iterator[Message]:
        with self.client(None) as client, closing(stop):
            client.given_up = stop
            client.hooks["response"].append(stop.answered)
            yield from start(client)

    @contextmanager
    def client(self, timeout_s: float | None = _SHORT_TIMEOUT_S) -> Iterator["Client"]:
        """A connection. What goes wrong in an ordinary request is `Upstream`; `_talk` gets to see it as it is."""
        self._probe()
        try:
            client = Client(base_url=self.url, version="auto", timeout=cast(int, timeout_s))
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
            probe.settimeout(PING_TIMEOUT_S)
            try:
                probe.connect(path)
            except OSError as error:
                raise self._away(error) from error

    def _away(self, error: Exception) -> Upstream:
        if isinstance(error, PermissionError):
            return Upstream(f"this user may not use the Docker engine at {self.url}: add it to the group docker")
        return Upstream(f"no Docker engine at {self.url}: start dockerd or set BUILD_ENGINE_URL")


class Client(APIClient):
    """The SDK's client, with the credentials of one build instead of those in the worker's home folder."""

    registries: Registries
    given_up: "Stop"

    def _set_auth_headers(self, headers: dict[str, str]) -> None:
        if self.registries:
            names = {INDEX_NAME: INDEX_URL}
            known = {names.get(name, name): auth_header(credentials) for name, credentials in self.registries.items()}
            headers["X-Registry-Config"] = encode_header(known).decode("ascii")


class Stop:
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


class Failure:
    """How the engine's word for a failure becomes an error: without control characters, and without a password."""

    def __init__(
        self,
        what: str,
        kind: Callable[[str, int | None], DomainError],
        *known: Credentials | None,
        secrets: Iterable[str] = (),
    ) -> None:
        self.what = what
        self._kind = kind
        self._secrets = [credentials.password for credentials in known if credentials and credentials.password]
        self._secrets += filter(None, secrets)

    def error(self, text: str, code: int | None) -> DomainError:
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return self._kind(clean(text), code)


@contextmanager
def only_logged() -> Iterator[None]:
    """For tidying up: the result of the work itself matters more than a failure in this."""
    try:
        yield
    except Upstream as error:
        _log.warning("the engine keeps what a build left: %s", error.detail)


def auth_header(credentials: Credentials | None) -> dict[str, str]:
    """As the engine wants it. Empty means nobody; without it, the SDK would look into the worker's home folder."""
    return {"username": credentials.username, "password": credentials.password} if credentials else {}
