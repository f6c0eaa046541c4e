"""Gunicorn's threaded worker, with a short way for the requests that make up nearly all of a registry's traffic.

A kept-alive connection that becomes readable wakes the worker's main thread. If what it holds is one complete, plain
GET or HEAD that `registry.v2.hot` can answer, the answer is written right there: no thread, no parser, no framework.
Everything else takes gunicorn's own way, with the bytes still unread in the socket.
"""

import logging
import re
import socket
import time
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker  # type: ignore[import-untyped]

from cli.access_log import write_line
from cli.logs import request_id
from registry.v2.hot import HotAnswer, HotPath, HotRequest

log = logging.getLogger(__name__)

LONGEST_HEAD = 16 << 10
HEAD_S = 10.0
"""How long a client may take for a request's line and headers; it holds a thread meanwhile, be it byte by byte."""
_LINE = re.compile(rb"(GET|HEAD) (/v2/[A-Za-z0-9._:/+-]*)(?:\?([A-Za-z0-9._:/=&%+-]*))? HTTP/1\.1")
_HEADER = re.compile(rb"([A-Za-z0-9-]+):[ \t]*([\x20-\x7e]*?)[ \t]*")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:+/=-]{1,128}")
# A request with one of these is not a plain one.
_UNUSUAL = frozenset({"content-length", "transfer-encoding", "expect", "upgrade", "trailer", "te", "range"})


class Worker(ThreadWorker):  # type: ignore[misc]
    """See the module. `hot` is None until the application is loaded, and where it has no hot path."""

    hot: HotPath | None = None
    proxies: int = 0

    def init_process(self) -> None:
        self._heads: dict[TConn, float] = {}  # whose head a thread is reading, and until when it may
        super().init_process()

    def load_wsgi(self) -> None:
        super().load_wsgi()
        registry = self.wsgi.extensions["drydock.registry"]
        self.hot = HotPath(registry)
        self.proxies = registry.services.settings.TRUSTED_PROXIES
        self._registry = registry

    def run(self) -> None:
        try:
            super().run()
        finally:
            self._registry.pulls.close()

    def handle(self, conn: TConn) -> Any:
        """Serve a request, as gunicorn does; in a thread."""
        self._heads[conn] = time.monotonic() + HEAD_S
        try:
            return super().handle(conn)
        finally:
            self._heads.pop(conn, None)

    def handle_request(self, req: Any, conn: TConn) -> Any:
        self._heads.pop(conn, None)  # the head is here; the body has all the time that it keeps coming
        return super().handle_request(req, conn)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """At least once a second, in the main thread: end the heads that take too long."""
        super().wait_for_and_dispatch_events(timeout)
        now = time.monotonic()
        for conn, until in list(self._heads.items()):
            if now >= until:
                with suppress(OSError):
                    conn.sock.shutdown(socket.SHUT_RD)  # its thread reads the end, and closes

    def on_client_socket_readable(self, conn: TConn, client: socket.socket) -> None:
        """Answer in place if that is possible; else as gunicorn does."""
        if not self._answered(conn):
            super().on_client_socket_readable(conn, client)

    def _answered(self, conn: TConn) -> bool:
        if self.hot is None or not self.alive or conn.is_http2:
            return False
        began = time.perf_counter()
        try:
            head = conn.sock.recv(LONGEST_HEAD, socket.MSG_PEEK)
        except OSError:
            return False
        request = parse_head(head, conn.client[0], self.proxies) if head else None
        try:
            answer = self.hot.answer(request) if request else None
        except Exception:  # a defect: the views try, and this process, which serves others, lives on
            log.exception("the hot path failed")
            return False
        if request is None or answer is None:
            return False
        conn.sock.recv(len(head))
        self._send(conn, request, answer)
        write_line(
            method=request.method,
            path=request.path,
            status=200,
            seconds=time.perf_counter() - began,
            size=len(answer.body),
            user=answer.user,
            ip=request.ip,
            agent=request.headers.get("user-agent", ""),
        )
        return True

    def _send(self, conn: TConn, request: HotRequest, answer: HotAnswer) -> None:
        given = request.headers.get("x-request-id", "")
        request_id.set(given if _REQUEST_ID.fullmatch(given) else str(uuid.uuid4()))
        data = _serialize(answer, request_id.get())
        try:
            sent = conn.sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            sent = len(data)  # the client is gone; the poller will find that out
        if sent == len(data):
            self.keepalived_conns.remove(conn)
            conn.set_timeout()
            self.keepalived_conns.append(conn)
        else:
            self._send_rest(conn, data[sent:])

    def _send_rest(self, conn: TConn, data: bytes) -> None:
        """Let a thread wait for a client that takes its answer slowly."""
        self.poller.unregister(conn.sock)
        self.keepalived_conns.remove(conn)

        def send() -> bool:
            conn.sock.setblocking(True)
            conn.sock.sendall(data)
            return True

        pending = self.tpool.submit(send)
        pending.add_done_callback(lambda done: self.method_queue.defer(self.finish_request, conn, done))


def parse_head(head: bytes, ip: str, proxies: int) -> HotRequest | None:
    """The request, if the bytes are exactly one plain GET or HEAD; None for anything else, however slightly."""
    if not head.endswith(b"\r\n\r\n") or head.count(b"\r\n\r\n") != 1:
        return None
    first, *lines = head[:-4].split(b"\r\n")
    line = _LINE.fullmatch(first)
    if line is None:
        return None
    headers: dict[str, str] = {}
    for text in lines:
        header = _HEADER.fullmatch(text)
        if header is None:
            return None
        name = header[1].decode().lower()
        if name in headers or name in _UNUSUAL:
            return None
        headers[name] = header[2].decode()
    if "host" not in headers or headers.get("connection", "keep-alive").lower() != "keep-alive":
        return None
    if proxies:
        forwarded = headers.get("x-forwarded-for", "").split(",")
        ip = forwarded[-proxies].strip() if len(forwarded) >= proxies and forwarded[-proxies].strip() else ip
    return HotRequest(line[1].decode(), line[2].decode(), (line[3] or b"").decode(), headers, ip)


_now: tuple[int, str] = (0, "")


def _date() -> str:
    """The Date header of this second."""
    global _now  # noqa: PLW0603  one string a second, shared by all answers of the process
    second = int(time.time())
    if _now[0] != second:
        _now = (second, datetime.fromtimestamp(second, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT"))
    return _now[1]


def _serialize(answer: HotAnswer, name: str) -> bytes:
    lines = [f"{key}: {value}" for key, value in answer.headers.items()]
    head = "\r\n".join(
        (
            "HTTP/1.1 200 OK",
            f"Date: {_date()}",
            "Connection: keep-alive",
            f"Content-Length: {answer.length}",
            f"X-Request-ID: {name}",
            *lines,
        )
    )
    return head.encode("latin-1") + b"\r\n\r\n" + answer.body
