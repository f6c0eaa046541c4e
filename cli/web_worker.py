"""Gunicorn's threaded worker, with a short way for the requests that make up nearly all of a registry's traffic.

A kept-alive connection that becomes readable wakes the worker's main thread. If what it holds is one complete, plain
request that `registry.v2.hot` can answer, the answer is written right there, together with those of others that have
come: no thread, no parser, no framework. Small PUTs go to one thread that waits for the disk and the database, many at
a time (`cli.push_thread`), and come back to be answered. Everything else takes gunicorn's own way, which starts with
the bytes that were read here.

The main thread also waits for heads, so that connections which begin a request and stop cost no thread; it gives up
clients that do not take their answers (`cli.takers`), and closes idle connections where new ones would find no room.
"""

import errno
import logging
import re
import socket
import threading
import time
import uuid
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

from gunicorn.workers.gthread import TConn, ThreadWorker  # type: ignore[import-untyped]
from sqlalchemy.orm import configure_mappers

from api.hot import HotReads
from api.v1.discovery import PREFIX
from api.v1.errors import ALWAYS, USUALLY
from cli.access_log import write_line
from cli.collector import spare_what_is_there
from cli.logs import request_id
from cli.pace import Patience
from cli.plain_http import END, parse_head, serialize
from cli.push_thread import Pushed, PushThread
from cli.slots import WAITING
from cli.takers import Taker
from registry.v2.hot import HotAnswer, HotPath, HotRequest
from registry.v2.hot_pushes import SMALL, HotPushes

log = logging.getLogger(__name__)

LONGEST = (16 << 10) + SMALL
"""Bytes of a request that is looked at here."""
HEAD_S = 10.0
"""How long a client may take for a request's line and headers, be it byte by byte."""
LONGEST_HEAD = 32 << 10
"""Bytes of a head that is waited for here; a thread takes what is longer, and for HEAD_S, too."""
LOOK_S = 0.25
"""How often it is looked at clients that are waited for, at most."""
BODY_S = 2.0
"""How long a small body may take before a thread waits for it."""
LINGER_S, LINGER_QUIET_S = 5.0, 2.0
"""How long a connection that is over is kept for a client that still sends; and for one that does not."""
LONGEST_LINGERED = 256 << 10
MOST_LINGERING = WAITING // 4
"""Threads of a process that wait for clients to close; beyond, connections are closed at once."""
AT_ONCE = 32
"""Requests whose answers are made before the first is sent; each may have `registry.v2.hot.SMALL` bytes."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:+/=-]{1,128}")


_NOBODY_THERE = (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK)
_KEPT: Future[bool] = Future()  # how gunicorn is told that a connection goes on
_KEPT.set_result(True)


class _Begun(NamedTuple):
    """A request that is still on its way: what has been received, since when, and what it is, once its head is here."""

    request: HotRequest | None
    received: bytes
    since: float


class _Asked(NamedTuple):
    """A complete request that may be answered here, and the bytes that it came as, at `began`."""

    conn: TConn
    request: HotRequest
    received: bytes
    began: float


class Worker(ThreadWorker):  # type: ignore[misc]
    """See the module. `hot` and `reads` are None until the application is loaded."""

    hot: HotPath | None = None
    reads: HotReads | None = None
    proxies: int = 0

    def init_process(self) -> None:
        self._heads: dict[TConn, float] = {}  # whose head a thread is reading, and until when it may
        self._begun: dict[TConn, _Begun] = {}
        self._asked: list[_Asked] = []
        self._takers: dict[TConn, Taker] = {}  # who is answered by a thread
        self._lingering = threading.Semaphore(MOST_LINGERING)
        self._crowded = False  # by those among them who hardly take anything
        self._looked = time.monotonic()
        super().init_process()

    def load_wsgi(self) -> None:
        super().load_wsgi()
        registry = self.wsgi.extensions["drydock.registry"]
        self.hot = HotPath(registry)
        self.reads = HotReads(self.wsgi, {**ALWAYS, **USUALLY})
        self._pushes = HotPushes(registry)
        self._push_thread = PushThread(self._pushes, lambda done: self.method_queue.defer(self._finish, done))
        settings = registry.services.settings
        self.proxies = settings.TRUSTED_PROXIES
        self._patience = Patience(settings.BODY_PATIENCE_SEC, settings.BODY_MINIMUM_RATE)
        self._registry = registry
        configure_mappers()
        spare_what_is_there()

    def run(self) -> None:
        try:
            super().run()
        finally:
            self._registry.pulls.close()

    def accept(self, listener: socket.socket) -> None:
        """Take a connection; its first request is looked at here like all others, when it comes."""
        if self.cfg.is_ssl:
            super().accept(listener)
            return
        try:
            client, address = listener.accept()
        except OSError as exc:
            if exc.errno not in _NOBODY_THERE:
                raise
            return
        if self.nr_conns + 1 >= self.worker_connections and self.keepalived_conns:
            self._drop(self.keepalived_conns[0])  # idle for longest; at the limit, nobody else could come
        self.nr_conns += 1
        conn = TConn(self.cfg, client, address, listener.getsockname())
        conn.init()  # waits for nothing, without TLS
        self.finish_request(conn, _KEPT)

    def handle(self, conn: TConn) -> Any:
        """Serve a request, as gunicorn does; in a thread."""
        self._heads[conn] = time.monotonic() + HEAD_S
        self._takers[conn] = Taker(conn.sock, self._patience)
        try:
            kept = super().handle(conn)
        finally:
            self._heads.pop(conn, None)
            self._takers.pop(conn, None)
        if not kept and self._lingering.acquire(blocking=False):
            try:
                _linger(conn.sock)
            finally:
                self._lingering.release()
        return kept

    def handle_request(self, req: Any, conn: TConn) -> Any:
        self._heads.pop(conn, None)  # the head is here; how long the body may take is up to cli.bodies
        return super().handle_request(req, conn)

    def finish_request(self, conn: TConn, fs: Future[Any]) -> None:
        """Keep the connection, or close it: at once, for its thread has lingered, and the main thread must not wait."""
        if fs.cancelled() or (fs.exception() is None and not fs.result()):
            self.nr_conns -= 1
            conn.close()
            return
        # A thread must not wait for the rest of a request that has begun already.
        ahead = b"" if fs.exception() else conn.parser.unreader.take_buffered()
        super().finish_request(conn, fs)
        if ahead and conn in self.keepalived_conns:
            self._look_at(conn, _Begun(None, ahead, time.monotonic()))

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """At least once a second, in the main thread: answer what has come, look at the clients that are waited for."""
        super().wait_for_and_dispatch_events(timeout)
        while self._asked:
            together, self._asked = self._asked[:AT_ONCE], self._asked[AT_ONCE:]
            for asked, answer in zip(together, self._answers(together), strict=True):
                self._answered(asked, answer)
        now = time.monotonic()
        passed_s = now - self._looked
        if passed_s < LOOK_S:
            return
        self._looked = now
        for conn, begun in list(self._begun.items()):
            if now >= begun.since + (BODY_S if begun.request else HEAD_S):
                self._wait_no_longer(conn, self._begun.pop(conn))
        for conn, until in list(self._heads.items()):
            if now >= until:
                with suppress(OSError):
                    conn.sock.shutdown(socket.SHUT_RD)  # its thread reads the end, and closes
        slow = [taker for taker in list(self._takers.values()) if taker.look(passed_s, crowded=self._crowded)]
        self._crowded = len(slow) > WAITING // 2

    def on_client_socket_readable(self, conn: TConn, client: socket.socket) -> None:
        """See what has come; gunicorn finds out why if it is nothing."""
        begun = self._begun.pop(conn, None) or _Begun(None, b"", time.monotonic())
        more = _received(client)
        if more:
            self._look_at(conn, begun._replace(received=begun.received + more))
        else:
            self._give_back(conn, begun.received)

    def _look_at(self, conn: TConn, begun: _Begun) -> None:
        """Take the short way if that is possible; else gunicorn's, when the head is here."""
        request = begun.request or self._parsed(conn, begun.received)
        begun = begun._replace(request=request)
        if request is None and self._has_time(begun.received):
            self._wait(conn, begun)
        elif request is None or not self._taken(conn, request, begun):
            self._give_back(conn, begun.received)

    def _has_time(self, received: bytes) -> bool:
        """Whether to wait for the rest of a head."""
        plain = self.alive and not self.cfg.is_ssl  # TLS may hold bytes of which the poller does not tell
        # What begins like no method is TLS, above all: container tools try it first, and wait for its refusal.
        return plain and received[:1].isupper() and len(received) <= LONGEST_HEAD and END not in received

    def _parsed(self, conn: TConn, received: bytes) -> HotRequest | None:
        head, end, _ = received.partition(END)
        plain = end and self.hot is not None and self.alive and not conn.is_http2
        return parse_head(head, conn.client[0], self.proxies) if plain else None

    def _taken(self, conn: TConn, request: HotRequest, begun: _Begun) -> bool:
        """Whether the request will be answered here: with others, when the rest of it has come, or by the thread."""
        received = begun.received
        size = received.index(END) + len(END) + request.length
        is_push = self._pushes.takes(request)
        if len(received) > size or (request.length and not is_push):
            return False
        if len(received) < size:
            self._wait(conn, begun)
            return True
        if is_push:
            return self._pushed(conn, request, received)
        self._asked.append(_Asked(conn, request, received, time.perf_counter()))
        self._keep(conn)
        return True

    def _pushed(self, conn: TConn, request: HotRequest, received: bytes) -> bool:
        self._release(conn)
        body = received[len(received) - request.length :]
        self._push_thread.put(Pushed(conn, replace(request, body=body), received, time.perf_counter()))
        return True

    def _give_back(self, conn: TConn, received: bytes) -> None:
        """Let gunicorn go on, after what was received."""
        conn.parser.unreader.unread(received)
        super().on_client_socket_readable(conn, conn.sock)

    def _answers(self, together: list[_Asked]) -> list[HotAnswer | None]:
        """The answers to requests, None where gunicorn shall give them."""
        to_registry = [each for each in together if not each.request.path.startswith(PREFIX)]
        found = self.hot.answers([each.request for each in to_registry]) if self.hot and to_registry else []
        answers = dict(zip((each.conn for each in to_registry), found, strict=True))
        return [answers[each.conn] if each.conn in answers else self._read(each.request) for each in together]

    def _read(self, request: HotRequest) -> HotAnswer | None:
        try:
            return self.reads.answer(request) if self.reads else None
        except Exception:  # a defect: the views try, and this process, which serves others, lives on
            log.exception("the hot path failed")
            return None

    def _answered(self, asked: _Asked, answer: HotAnswer | None) -> None:
        conn, request, received, began = asked
        if answer is None:
            self._give_back(conn, received)
        elif left := _send(conn, request, answer, began):
            self._release(conn)
            self._send_rest(conn, left)

    def _finish(self, pushes: list[Pushed]) -> None:
        """Answer what the thread has done."""
        for push in pushes:
            conn = push.connection
            if push.answer is None:
                conn.parser.unreader.unread(push.received)
                self.enqueue_req(conn)
            elif left := _send(conn, push.request, push.answer, push.began):
                self._send_rest(conn, left)
            else:
                self.finish_request(conn, _KEPT)

    def _wait(self, conn: TConn, begun: _Begun) -> None:
        """Look at the connection again when there is more."""
        self._begun[conn] = begun
        self._keep(conn)

    def _wait_no_longer(self, conn: TConn, begun: _Begun) -> None:
        """Let a thread wait for the rest of a body; end the connection whose head has not come."""
        if conn not in self.keepalived_conns:
            return  # gunicorn has closed it, for it is about to end
        if begun.request:
            self._give_back(conn, begun.received)
        else:
            self._drop(conn)

    def _drop(self, conn: TConn) -> None:
        """End a connection that nobody is at work for."""
        self._begun.pop(conn, None)
        self._asked = [asked for asked in self._asked if asked.conn is not conn]
        self._release(conn)
        self.nr_conns -= 1
        conn.close()

    def _keep(self, conn: TConn) -> None:
        """Count the connection's time from now on."""
        self.keepalived_conns.remove(conn)
        conn.set_timeout()
        self.keepalived_conns.append(conn)

    def _release(self, conn: TConn) -> None:
        """Look at the connection no more; somebody else will finish its request."""
        self.poller.unregister(conn.sock)
        self.keepalived_conns.remove(conn)

    def _send_rest(self, conn: TConn, data: bytes) -> None:
        """Let a thread wait for a client that takes its answer slowly."""

        def send() -> bool:
            conn.sock.setblocking(True)
            self._takers[conn] = Taker(conn.sock, self._patience)
            try:
                conn.sock.sendall(data)
            finally:
                del self._takers[conn]
            return True

        pending = self.tpool.submit(send)
        pending.add_done_callback(lambda done: self.method_queue.defer(self.finish_request, conn, done))


def _received(client: socket.socket) -> bytes:
    try:
        return client.recv(LONGEST)
    except OSError:
        return b""  # gunicorn finds out


def _linger(connection: socket.socket) -> None:
    """Tell the client that there will be no more, and take what it still sends until it has seen that.

    Closed at once, a connection with unread bytes is reset, and a client that was still sending would see no answer.
    """
    until = time.monotonic() + LINGER_S
    with suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        while (left_s := until - time.monotonic()) > 0:
            connection.settimeout(min(left_s, LINGER_QUIET_S))
            if not connection.recv(LONGEST_LINGERED):
                return


def _send(conn: TConn, request: HotRequest, answer: HotAnswer, began: float) -> bytes:
    """Send the answer, write its log line; what of it the client does not take at once."""
    given = request.headers.get("x-request-id", "")
    request_id.set(given if _REQUEST_ID.fullmatch(given) else str(uuid.uuid4()))
    data = serialize(answer, request_id.get())
    try:
        sent = conn.sock.send(data)
    except BlockingIOError:
        sent = 0
    except OSError:
        sent = len(data)  # the client is gone; the poller will find that out
    write_line(
        method=request.method,
        path=request.path,
        status=int(answer.status[:3]),
        seconds=time.perf_counter() - began,
        size=len(answer.body),
        user=answer.user,
        ip=request.ip,
        agent=request.headers.get("user-agent", ""),
    )
    return data[sent:]
