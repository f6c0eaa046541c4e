"""How request bodies come in: straight from the socket, and slow clients in nobody's way.

No wait for a client is long, so that it can be told how fast the client is: see `cli.pace`. While a slow one is waited
for, its thread has no slot (`cli.slots`). One that is too slow reads as one that went away; so does one that breaks the
connection, for that is the client's error and not ours.
"""

import logging
import socket
import struct
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Self

from gunicorn.http.body import Body, LengthReader  # type: ignore[import-untyped]
from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]
from werkzeug.exceptions import ClientDisconnected

from cli.pace import LOOK_S, Pace, Patience
from cli.slots import Slots
from registry.v2.body import RECEIVE

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

log = logging.getLogger(__name__)

_TIMEOUT = struct.Struct("@ll")  # seconds and microseconds
_LOOK = _TIMEOUT.pack(0, int(LOOK_S * 1_000_000))


def with_bodies(app: "WSGIApplication", slots: Slots, patience: Patience) -> "WSGIApplication":
    """Wrap an application: no more requests at once than there are slots, and bodies as the module tells."""

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        body, connection = environ["wsgi.input"], environ.get("gunicorn.socket")
        environ["wsgi.input"] = _Input(body)
        if not isinstance(body, Body) or type(connection) is not socket.socket:  # another server's, or TLS
            with slots:
                return app(environ, start_response)
        # The slot is not kept while the answer is sent, for which clients may take their time.
        with _Patient(body.reader, connection, slots, Pace(patience)) as patient, slots:
            if isinstance(body.reader, LengthReader):
                environ[RECEIVE] = _Receiver(body.reader, patient).receive
            return app(environ, start_response)

    return answer


_CLIENTS = (OSError, ParseException)
"""Of the connection, and of a body in pieces that are not what they say."""


class _Input:
    """A request's body; a client that goes away, stalls or lies in the middle of it is the client's error, not ours."""

    def __init__(self, stream: Any) -> None:
        self._read: Callable[..., bytes] = stream.read
        self._readline: Callable[..., bytes] = stream.readline

    def read(self, *size: int) -> bytes:
        try:
            return self._read(*size)
        except _CLIENTS as exc:
            raise ClientDisconnected from exc

    def readline(self, *size: int) -> bytes:
        try:
            return self._readline(*size)
        except _CLIENTS as exc:
            raise ClientDisconnected from exc


class _Patient:
    """A connection during one request: within its block, what reads the body reads it from here."""

    def __init__(self, reader: Any, connection: socket.socket, slots: Slots, pace: Pace) -> None:
        self._unreader = reader.unreader if isinstance(reader, LengthReader) else reader.req.unreader
        self._socket = connection
        self._slots = slots
        self._pace = pace
        self._timeout: bytes | None = None

    def __enter__(self) -> Self:
        self._unreader.sock = self
        return self

    def __exit__(self, *_: object) -> None:
        self._unreader.sock = self._socket
        if self._timeout is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, self._timeout)

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Up to `size` bytes; none when the client has gone or is given up."""
        if self._timeout is None:
            self._timeout = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEOUT.size)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _LOOK)
        while True:
            began = time.monotonic()
            data = self._wait(size, flags)
            waited_s = time.monotonic() - began
            if not self._pace.note(waited_s, len(data or b""), crowded=self._slots.crowded):
                log.info("a client sends a body too slowly and is given up")
                self._socket.shutdown(socket.SHUT_RD)
                return b""
            if data is not None:
                return data

    def _wait(self, size: int, flags: int) -> bytes | None:
        """What came in a short while; None if nothing did."""
        slow = self._pace.slow
        if slow:
            self._slots.give_up()
        try:
            return self._socket.recv(size, flags)
        except BlockingIOError:
            return None
        finally:
            if slow:
                self._slots.take_back()


class _Receiver:
    """Reads a body of known length from its socket, after what the server's parser has read ahead.

    Gunicorn's own reader passes each byte through three buffers.
    """

    def __init__(self, reader: LengthReader, connection: _Patient) -> None:
        self._reader = reader
        self._connection = connection

    def receive(self, size: int) -> bytes:
        """Up to `size` bytes; none at the end, or when the client has gone."""
        wanted: int = min(size, self._reader.length)
        if wanted <= 0:
            return b""
        ahead: bytes = self._reader.unreader.take_buffered()
        if ahead:
            data, rest = ahead[:wanted], ahead[wanted:]
            if rest:
                self._reader.unreader.unread(rest)
        else:
            data = self._connection.recv(wanted, socket.MSG_WAITALL)
        # Gunicorn must know where the next request begins.
        self._reader.length -= len(data)
        return data
