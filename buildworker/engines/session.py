"""What BuildKit asks its client while it builds: credentials for registries, and the build's secrets.

The client offers a connection, over which BuildKit calls it by gRPC: HTTP/2, with the roles turned around. So
secrets and passwords are on the engine only while a step needs them, and never in a request that could be kept.
"""

import logging
import secrets
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, RequestReceived, StreamEnded, StreamReset, WindowUpdated
from h2.exceptions import ProtocolError

from buildworker.builder import Registries
from buildworker.engines.protobuf import Malformed, packed, texts
from models.errors import Upstream

_log = logging.getLogger(__name__)
_TIMEOUT_S = 10.0
_BLOCK = 64 * 1024
_MAX_ANSWER_HEAD = 16 * 1024
_MAX_CALL = 64 * 1024
_NOT_FOUND, _UNIMPLEMENTED, _INVALID = 5, 12, 3  # gRPC's codes
_DOCKER_IO = {"registry-1.docker.io": "docker.io", "index.docker.io": "docker.io"}
_SERVING = packed((1, 1))
_Answer = bytes | tuple[int, str]
"""A message, or a gRPC code and why."""


class Session:
    """An offer to the engine at `url`, for as long as the block runs; `id` is what a build names it by."""

    def __init__(self, url: str, secrets_: Mapping[str, str], registries: Registries) -> None:
        self.id = secrets.token_hex(16)
        self._url = url
        self._secrets = secrets_
        self._registries = registries
        self._methods: dict[str, Callable[[bytes], _Answer]] = {
            "/grpc.health.v1.Health/Check": lambda _: _SERVING,
            "/moby.buildkit.secrets.v1.Secrets/GetSecret": self._secret,
            "/moby.filesync.v1.Auth/Credentials": self._credentials,
        }

    def __enter__(self) -> Self:
        try:
            self._socket = _connected(self._url)
            self._begin()
        except OSError as error:
            raise Upstream(f"the Docker engine at {self._url} takes no session; build again") from error
        self._thread = threading.Thread(target=self._serve, name="build session", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with suppress(OSError):  # the engine has ended it
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _begin(self) -> None:
        exposed = "".join(f"X-Docker-Expose-Session-Grpc-Method: {method}\r\n" for method in self._methods)
        head = (
            "POST /session HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
            f"X-Docker-Expose-Session-Uuid: {self.id}\r\nX-Docker-Expose-Session-Name: drydock\r\n{exposed}\r\n"
        )
        self._socket.sendall(head.encode())
        answer = b""
        # Byte by byte: what follows the head belongs to HTTP/2.
        while not answer.endswith(b"\r\n\r\n") and len(answer) < _MAX_ANSWER_HEAD:
            if not (byte := self._socket.recv(1)):
                break
            answer += byte
        if b" 101 " not in answer.partition(b"\r\n")[0]:
            self._socket.close()
            raise Upstream(f"the Docker engine at {self._url} has no BuildKit; set BUILD_ENGINE to docker")
        self._socket.settimeout(None)

    def _serve(self) -> None:
        try:
            _Server(self._socket, self._methods).run()
        except (OSError, ProtocolError) as error:
            _log.warning("the session of a build broke off: %s", error)

    def _secret(self, message: bytes) -> _Answer:
        name = texts(message).get(1, "")
        value = self._secrets.get(name)
        return packed((1, value.encode())) if value is not None else (_NOT_FOUND, f"the build has no secret {name}")

    def _credentials(self, message: bytes) -> _Answer:
        host = texts(message).get(1, "")
        known = self._registries.get(_DOCKER_IO.get(host, host))
        return packed((1, known.username.encode()), (2, known.password.encode())) if known else b""


class _Server:
    """Answers calls that come over one connection until it ends."""

    def __init__(self, connection: socket.socket, methods: Mapping[str, Callable[[bytes], _Answer]]) -> None:
        self._socket = connection
        self._methods = methods
        self._http = H2Connection(H2Configuration(client_side=False))
        self._calls: dict[int, tuple[str, bytearray]] = {}
        self._unsent: dict[int, bytes] = {}

    def run(self) -> None:
        self._http.initiate_connection()
        self._socket.sendall(self._http.data_to_send())
        while block := self._socket.recv(_BLOCK):
            for event in self._http.receive_data(block):
                self._take(event)
            self._socket.sendall(self._http.data_to_send())

    def _take(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            path = next((value for name, value in event.headers if name == b":path"), b"")
            self._calls[event.stream_id] = (path.decode(errors="replace"), bytearray())
        elif isinstance(event, DataReceived):
            self._http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            if event.stream_id in self._calls:
                self._calls[event.stream_id][1].extend(event.data[:_MAX_CALL])
        elif isinstance(event, StreamEnded):
            self._answer(event.stream_id, *self._calls.pop(event.stream_id))
        elif isinstance(event, StreamReset):
            self._calls.pop(event.stream_id, None)
            self._unsent.pop(event.stream_id, None)
        elif isinstance(event, WindowUpdated):
            for stream in list(self._unsent):
                self._send(stream)

    def _answer(self, stream: int, path: str, framed: bytearray) -> None:
        answer = self._called(path, bytes(framed))
        headers = [(":status", "200"), ("content-type", "application/grpc")]
        if isinstance(answer, tuple):
            code, why = answer
            self._http.send_headers(
                stream, [*headers, ("grpc-status", str(code)), ("grpc-message", why)], end_stream=True
            )
            return
        self._http.send_headers(stream, headers)
        self._unsent[stream] = struct.pack(">BI", 0, len(answer)) + answer
        self._send(stream)

    def _called(self, path: str, framed: bytes) -> _Answer:
        method = self._methods.get(path)
        if method is None:
            return _UNIMPLEMENTED, "not offered here"
        if len(framed) < 5 or framed[0] or struct.unpack(">I", framed[1:5])[0] != len(framed) - 5:
            return _INVALID, "expected one message, not compressed"
        try:
            return method(framed[5:])
        except Malformed as error:
            return _INVALID, str(error)

    def _send(self, stream: int) -> None:
        """Send what the engine has room for of an answer; the rest when it has told of more."""
        while left := self._unsent.get(stream):
            room = min(self._http.local_flow_control_window(stream), self._http.max_outbound_frame_size, len(left))
            if room <= 0:
                return
            self._http.send_data(stream, left[:room])
            self._unsent[stream] = left[room:]
        del self._unsent[stream]
        self._http.send_headers(stream, [("grpc-status", "0")], end_stream=True)


def _connected(url: str) -> socket.socket:
    parts = urlsplit(url)
    if parts.scheme == "unix":
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(_TIMEOUT_S)
        try:
            connection.connect(url.removeprefix("unix://"))
        except OSError:
            connection.close()
            raise
        return connection
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 2375)
    connection = socket.create_connection((parts.hostname or "", port), timeout=_TIMEOUT_S)
    return (
        ssl.create_default_context().wrap_socket(connection, server_hostname=parts.hostname) if secure else connection
    )
