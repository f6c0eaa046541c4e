"""Archives of source files, and a server on loopback that builds fetch them from."""

import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def tar_gz(files: Mapping[str, str]) -> bytes:
    """A tar.gz of these files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return out.getvalue()


def zipped(files: Mapping[str, str]) -> bytes:
    """A zip of these files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return out.getvalue()


class ArchiveServer:
    """Serves what it was given; everything else is 404."""

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}
        files = self._files

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = files.get(self.path)
                self.send_response(404 if content is None else 200)
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                self.wfile.write(content or b"")

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def serve(self, content: bytes, kind: str = "tar.gz") -> str:
        """The URL of a new archive."""
        path = f"/source-{len(self._files) + 1}.{kind}"
        self._files[path] = content
        return self.url + path

    def source(self, dockerfile: str, **files: str) -> str:
        """The URL of a new tar.gz with a Dockerfile and other files."""
        return self.serve(tar_gz({"Dockerfile": dockerfile, **files}))

    @contextmanager
    def running(self) -> Iterator["ArchiveServer"]:
        """Serve while the block runs."""
        thread = threading.Thread(target=self._server.serve_forever, name="archives")
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()
