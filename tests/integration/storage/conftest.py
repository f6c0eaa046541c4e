"""An S3 driver on an empty bucket of a real server."""

import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import pytest

from storage.s3 import S3Storage
from tests.services import process
from tests.services.ports import free_port, listening

pytest.register_assert_rewrite("tests.storage_suite")

ACCESS_KEY = "an-access-key-of-the-tests"
SECRET_KEY = "a-secret-key-of-the-tests"


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The URL of a running server. It keeps what it knows of folders, which makes it thirty times faster than not."""
    port = free_port()
    folder = process.scratch_folder("storage")
    (folder / "buckets").mkdir()
    argv = [
        Path(sys.prefix, "bin", "rclone"),
        *("serve", "s3", folder / "buckets", "--addr", f"127.0.0.1:{port}"),
        *("--auth-key", f"{ACCESS_KEY},{SECRET_KEY}", "--config", folder / "rclone.conf"),
    ]
    running = process.start("s3", argv, ready=lambda: listening(port), scratch=[folder])
    yield f"http://127.0.0.1:{port}"
    running.stop()


@pytest.fixture(scope="session")
def client(server: str) -> Any:
    """A plain S3 client, to look at what the driver did."""
    session = boto3.session.Session(ACCESS_KEY, SECRET_KEY, region_name="us-east-1")
    return session.client("s3", endpoint_url=server)


@pytest.fixture(scope="session")
def _numbers() -> Iterator[int]:
    return count(1)


@pytest.fixture
def bucket(client: Any, _numbers: Iterator[int]) -> str:
    """The name of an empty bucket."""
    name = f"bucket-{next(_numbers)}"
    client.create_bucket(Bucket=name)
    return name


@pytest.fixture
def connect(server: str, bucket: str) -> Callable[..., S3Storage]:
    """Opens the test's bucket; what is given replaces what is usual."""

    def connect(**given: str) -> S3Storage:
        usual = {
            "bucket": bucket,
            "prefix": "/registry/",
            "access_key": ACCESS_KEY,
            "secret_key": SECRET_KEY,
            "endpoint": server,
        }
        return S3Storage(**(usual | given))

    return connect


@pytest.fixture
def storage(connect: Callable[..., S3Storage]) -> S3Storage:
    return connect()
