"""A real S3 server (rclone in front of a folder), and buckets in it."""

import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from tests.services import process
from tests.services.ports import free_port, listening


@dataclass(frozen=True)
class Bucket:
    """An empty bucket and what it takes to reach it."""

    host: str
    port: int
    access_key: str
    secret_key: str
    name: str

    @property
    def endpoint(self) -> str:
        """The server's URL; buckets are addressed by path."""
        return f"http://{self.host}:{self.port}"

    def client(self) -> Any:
        """A client of the server that may do everything, to look behind the product's back."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def storage_config(self) -> dict[str, list[object]]:
        """The value of `DISTRIBUTED_STORAGE_CONFIG` that makes Drydock keep its blobs here (Quay's RadosGWStorage)."""
        options = {
            "hostname": self.host,
            "port": self.port,
            "is_secure": False,
            "access_key": self.access_key,
            "secret_key": self.secret_key,
            "bucket_name": self.name,
            "storage_path": "/registry",
        }
        return {"default": ["RadosGWStorage", options]}


class S3:
    """A server that takes signed requests only, and streams multipart uploads to disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._numbers = count(1)
        self._keys = (secrets.token_hex(8), secrets.token_hex(16))
        self._server: process.Server | None = None
        (folder / "buckets").mkdir()

    def start(self) -> None:
        """Run the server."""
        argv = [
            Path(sys.prefix, "bin", "rclone"),
            *("serve", "s3", self._folder / "buckets", "--addr", f"127.0.0.1:{self._port}"),
            *("--auth-key", ",".join(self._keys)),
            *("--config", self._folder / "rclone.conf", "--cache-dir", self._folder / "cache"),
        ]
        self._server = process.start("s3", argv, ready=lambda: listening(self._port))

    def stop(self) -> None:
        """End the server; what it stored stays."""
        server, self._server = self._server, None
        if server:
            server.stop()

    def kill(self) -> None:
        """End the server with SIGKILL."""
        server, self._server = self._server, None
        if server:
            server.kill()

    def new_bucket(self) -> Bucket:
        """An empty bucket that nothing else uses."""
        bucket = Bucket("127.0.0.1", self._port, *self._keys, f"bucket-{next(self._numbers)}")
        bucket.client().create_bucket(Bucket=bucket.name)
        return bucket


@contextmanager
def s3() -> Iterator[S3]:
    """Run a server of its own."""
    folder = process.scratch_folder("s3")
    keeper = process.keep("s3-data", folder)
    server = S3(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        keeper.stop()
