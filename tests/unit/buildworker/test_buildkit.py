"""BuildKit's words without BuildKit: what its trace tells, and the calls that it makes of a session."""

import base64
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, ResponseReceived, StreamEnded, TrailersReceived

from buildworker.builder import Credentials
from buildworker.engines.protobuf import Malformed, fields, packed, texts
from buildworker.engines.session import Session
from buildworker.engines.trace import Trace, exit_code
from buildworker.output import Line
from models.errors import Upstream


def vertex(digest: str, name: str, *, started: bool = False, cached: bool = False, completed: bool = False) -> bytes:
    parts: list[tuple[int, int | bytes]] = [(1, digest.encode()), (3, name.encode())]
    parts += [(4, 1)] if cached else []
    parts += [(5, packed((1, 1)))] if started else []
    parts += [(6, packed((1, 2)))] if completed else []
    return packed((1, packed(*parts)))


def said(digest: str, text: bytes) -> bytes:
    return packed((3, packed((1, digest.encode()), (2, packed((1, 1))), (3, 1), (4, text))))


def told(*statuses: bytes) -> list[Line]:
    lines: list[Line] = []
    trace = Trace(lines.append)
    for status in statuses:
        trace.feed({"id": "moby.buildkit.trace", "aux": base64.b64encode(status).decode()})
    trace.end()
    return lines


def test_steps_of_all_stages_are_counted_and_told_as_they_begin() -> None:
    known = (
        vertex("i", "[internal] load build definition")
        + vertex("a", "[one 1/2] FROM base")
        + vertex("b", "[2/2] RUN x")
    )
    lines = told(
        known, vertex("i", "[internal] load build definition", started=True), vertex("b", "[2/2] RUN x", started=True)
    )
    assert lines == [Line("Step 1/4 : RUN x", "command", 1, 4)]


def test_lines_of_steps_side_by_side_say_whose_they_are() -> None:
    a, b = vertex("a", "[one 1/1] RUN a", started=True), vertex("b", "[two 1/1] RUN b", started=True)
    lines = told(a, b, said("a", b"half a "), said("b", b"other\n"), said("a", b"line\xc3"), said("a", b"\xa4\nrest"))
    assert [line.text for line in lines] == [
        "Step 1/1 : [one] RUN a",
        "Step 2/2 : [two] RUN b",
        "other",
        " ---> [one] RUN a",
        "half a lineä",
        "rest",
    ]


def test_a_step_that_ended_and_a_cached_one_are_told() -> None:
    begun = vertex("a", "[1/1] RUN a", started=True)
    lines = told(begun, said("a", b"no newline"), vertex("a", "[1/1] RUN a", started=True, cached=True, completed=True))
    assert [line.text for line in lines] == ["Step 1/1 : RUN a", " ---> Using cache", "no newline"]


def test_what_cannot_be_read_ends_no_build() -> None:
    assert "cannot be read" in told(b"\x0a\xff")[0].text


def test_the_exit_code_is_found_in_old_words_and_new_ones() -> None:
    assert exit_code("executor failed running [/bin/sh -c x]: exit code: 7") == 7
    assert exit_code('process "/bin/sh -c x" did not complete successfully: exit code: 128') == 128
    assert exit_code("exit code: nonsense") is None


@pytest.mark.parametrize("message", [b"\x08", b"\x0a\x05abc", b"\x0b", b"\x08" + b"\xff" * 11, b"\x0d\x00"])
def test_bytes_that_are_no_message_are_refused(message: bytes) -> None:
    with pytest.raises(Malformed):
        list(fields(message))


def test_numbers_of_any_size_and_fields_of_any_kind_are_read() -> None:
    message = packed((1, 300), (2, b"text")) + b"\x1d\x01\x00\x00\x00" + b"\x21" + bytes(8)
    assert [number for number, _ in fields(message)] == [1, 2, 3, 4]
    assert dict(fields(message))[1] == 300


class Engine:
    """The engine's side of a session: accepts the offer, then calls."""

    def __init__(self, path: Path, answer: bytes) -> None:
        self.url = f"unix://{path}"
        self.offer = b""
        self._answer = answer
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        self._connection, _ = self._listener.accept()
        self._connection.settimeout(10)
        while not self.offer.endswith(b"\r\n\r\n"):
            self.offer += self._connection.recv(4096)
        self._http = H2Connection(H2Configuration(header_encoding="utf-8"))
        self._http.initiate_connection()
        self._connection.sendall(self._answer + self._http.data_to_send())

    def call(self, method: str, message: bytes) -> tuple[str, bytes]:
        """(gRPC status, the answer's message)."""
        self._thread.join()
        stream = self._http.get_next_available_stream_id()
        headers = [(":method", "POST"), (":scheme", "http"), (":authority", "x"), (":path", method)]
        self._http.send_headers(stream, headers)
        self._http.send_data(stream, struct.pack(">BI", 0, len(message)) + message, end_stream=True)
        self._connection.sendall(self._http.data_to_send())
        status, body = "", b""
        for event in self._events():
            if isinstance(event, DataReceived):
                body += event.data
                self._http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                self._connection.sendall(self._http.data_to_send())
            if isinstance(event, ResponseReceived | TrailersReceived):
                status = str(dict(event.headers).get("grpc-status", status))  # type: ignore[call-overload]
            if isinstance(event, StreamEnded):
                break
        return status, body[5:]

    def _events(self) -> Iterator[Event]:
        while True:
            yield from self._http.receive_data(self._connection.recv(65536))

    def close(self) -> None:
        self._thread.join()
        self._connection.close()
        self._listener.close()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = Engine(tmp_path / "engine", b"HTTP/1.1 101 UPGRADED\r\nUpgrade: h2c\r\n\r\n")
    yield made
    made.close()


SECRETS = "/moby.buildkit.secrets.v1.Secrets/GetSecret"
AUTH = "/moby.filesync.v1.Auth/Credentials"


def test_a_session_answers_for_secrets_and_registries_and_nothing_else(engine: Engine) -> None:
    registries = {"quay.io": Credentials("ann", "word"), "docker.io": Credentials("bob", "hub")}
    large = "x" * 30_000
    with Session(engine.url, {"key": "value", "large": large}, registries) as session:
        assert engine.call(SECRETS, packed((1, b"key"))) == ("0", packed((1, b"value")))
        assert engine.call(SECRETS, packed((1, b"other")))[0] == "5"
        for _ in range(5):  # more than an HTTP/2 window holds
            assert engine.call(SECRETS, packed((1, b"large"))) == ("0", packed((1, large.encode())))
        assert texts(engine.call(AUTH, packed((1, b"quay.io")))[1]) == {1: "ann", 2: "word"}
        assert texts(engine.call(AUTH, packed((1, b"registry-1.docker.io")))[1]) == {1: "bob", 2: "hub"}
        assert engine.call(AUTH, packed((1, b"elsewhere"))) == ("0", b"")
        assert engine.call("/moby.filesync.v1.FileSync/DiffCopy", b"")[0] == "12"
        assert engine.call(SECRETS, b"\x0a\xff")[0] == "3"
    assert f"X-Docker-Expose-Session-Uuid: {session.id}\r\n".encode() in engine.offer


def test_an_engine_that_takes_no_session_says_so(tmp_path: Path) -> None:
    engine = Engine(tmp_path / "old", b"HTTP/1.1 404 Not Found\r\n\r\n")
    with pytest.raises(Upstream, match="BUILD_ENGINE"), Session(engine.url, {}, {}):
        pass
    engine.close()
