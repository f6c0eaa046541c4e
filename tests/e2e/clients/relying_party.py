"""The place on loopback to which an application has browsers sent back."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue

_PAGE = b"<!doctype html><link rel=icon href=data:,><title>Back</title><button>Back at the application</button>"


class Callback:
    """`url` is where it is; each visit's full address waits in `visits`."""

    def __init__(self) -> None:
        self.visits: Queue[str] = Queue()
        visits = self.visits

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                visits.put(f"http://{self.headers['Host']}{self.path}")
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(_PAGE)))
                self.end_headers()
                self.wfile.write(_PAGE)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/callback"

    @contextmanager
    def running(self) -> Iterator["Callback"]:
        """Serve while the block runs."""
        thread = threading.Thread(target=self._server.serve_forever, name="callback")
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()
