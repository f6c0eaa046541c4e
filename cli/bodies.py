"""How request bodies come in: errors of a client told from ours, and large ones straight from the socket."""

import socket
import ssl
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from gunicorn.http.body import Body, LengthReader  # type: ignore[import-untyped]
from werkzeug.exceptions import ClientDisconnected

from registry.v2.body import RECEIVE

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class _Input:
    """A request's body; a client that goes away or stalls in the middle of it is the client's error, not ours."""

    def __init__(self, stream: Any) -> None:
        self._read: Callable[..., bytes] = stream.read
        self._readline: Callable[..., bytes] = stream.readline

    def read(self, *size: int) -> bytes:
        try:
            return self._read(*size)
        except OSError as exc:
            raise ClientDisconnected from exc

    def readline(self, *size: int) -> bytes:
        try:
            return self._readline(*size)
        except OSError as exc:
            raise ClientDisconnected from exc


def with_bodies(app: "WSGIApplication") -> "WSGIApplication":
    """Wrap the bodies of an application's requests."""

    def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        body, connection = environ["wsgi.input"], environ.get("gunicorn.socket")
        known_length = isinstance(body, Body) and isinstance(body.reader, LengthReader)
        if known_length and isinstance(connection, socket.socket) and not isinstance(connection, ssl.SSLSocket):
            environ[RECEIVE] = _Receiver(body.reader, connection).receive
        environ["wsgi.input"] = _Input(environ["wsgi.input"])
        return app(environ, start_response)

    return answer


class _Receiver:
    """Reads a body of known length from its socket, after what the server's parser has read ahead.

    Gunicorn's own reader passes each byte through three buffers.
    """

    def __init__(self, reader: LengthReader, connection: socket.socket) -> None:
        self._reader = reader
        self._socket = connection

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
            data = self._socket.recv(wanted, socket.MSG_WAITALL)
        # Gunicorn must know where the next request begins.
        self._reader.length -= len(data)
        return data
