"""Whether clients take what they are sent: who takes next to nothing keeps a thread waiting, and is given up."""

import fcntl
import logging
import socket
import struct
import termios
from contextlib import suppress

from cli.pace import Pace, Patience

log = logging.getLogger(__name__)

_LENGTH, _ACKED = 128, slice(120, 128)
"""Of Linux's `tcp_info`: as much of it as holds the bytes that the other side has acknowledged, and where they are."""
_AT_ONCE = struct.pack("ii", 1, 0)


class Taker:
    """A client for which a thread is at work, seen from outside of that thread, which may be sending."""

    def __init__(self, connection: socket.socket, patience: Patience) -> None:
        self._socket = connection
        self._rate = patience.rate
        self._pace = Pace(patience)
        self._acked = 0

    def look(self, passed_s: float, *, crowded: bool) -> bool:
        """After so many seconds: give the client up if it does not take what waits for it. Whether it hardly did."""
        try:
            told = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LENGTH)
            acked = int.from_bytes(told[_ACKED], "little")
            (waiting,) = struct.unpack("i", fcntl.ioctl(self._socket, termios.TIOCOUTQ, bytes(4)))
        except (OSError, ValueError):  # closed, or no TCP
            return False
        taken, self._acked = acked - self._acked, acked
        # A kernel that does not count says 0; TCP_USER_TIMEOUT finds those who acknowledge nothing at all.
        if not waiting or not acked:
            return False
        if not self._pace.note(passed_s, taken, crowded=crowded):
            self._give_up()
        return taken < self._rate * passed_s

    def _give_up(self) -> None:
        log.info("a client takes its answer too slowly and is given up")
        with suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)  # what waits is for nobody
            self._socket.shutdown(socket.SHUT_RDWR)  # its thread finds the connection broken
