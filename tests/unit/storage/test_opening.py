"""A storage is opened as configured, and a mistake in the configuration is named."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from storage.local import LocalStorage
from storage.memory import MemoryStorage
from storage.opening import open_storage

S3 = {"s3_bucket": "layers", "s3_access_key": "key-of-the-test", "s3_secret_key": "hidden-secret"}
RADOS = {"bucket_name": "layers", "access_key": "key-of-the-test", "secret_key": "hidden-secret", "hostname": "rgw"}


def address(config: list[Any], tmp_path: Path) -> str:
    """Where the opened driver looks for the object `a/b`."""
    url = open_storage(config, data=tmp_path).url("a/b", expires_s=60)
    assert url
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def test_opens_a_folder_relative_to_the_data(tmp_path: Path) -> None:
    storage = open_storage(["LocalStorage", {"storage_path": "storage/registry"}], data=tmp_path)
    assert isinstance(storage, LocalStorage)
    storage.write("a", b"x")
    assert (tmp_path / "storage/registry/a").read_bytes() == b"x"


def test_opens_an_absolute_folder(tmp_path: Path) -> None:
    open_storage(["LocalStorage", {"storage_path": str(tmp_path / "here")}], data=Path("/nowhere")).write("a", b"x")
    assert (tmp_path / "here/a").exists()


def test_opens_memory(tmp_path: Path) -> None:
    assert isinstance(open_storage(["MemoryStorage", {}], data=tmp_path), MemoryStorage)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "https://layers.s3.amazonaws.com/a/b"),
        ({"s3_region": "eu-west-3"}, "https://layers.s3.eu-west-3.amazonaws.com/a/b"),
        ({"storage_path": "/registry/"}, "https://layers.s3.amazonaws.com/registry/a/b"),
        ({"host": "minio"}, "https://minio/layers/a/b"),
        ({"host": "minio", "port": 9000, "is_secure": False}, "http://minio:9000/layers/a/b"),
        ({"host": "http://minio", "port": 9000}, "http://minio:9000/layers/a/b"),
        ({"endpoint_url": "http://minio:9000"}, "http://minio:9000/layers/a/b"),
        ({"host": "minio", "public_endpoint_url": "https://cdn.example"}, "https://cdn.example/layers/a/b"),
    ],
)
def test_opens_s3_where_it_is_told(given: dict[str, Any], expected: str, tmp_path: Path) -> None:
    assert address(["S3Storage", S3 | given], tmp_path) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "https://rgw/layers/a/b"),
        ({"is_secure": False, "port": 7480, "storage_path": "/quay"}, "http://rgw:7480/layers/quay/a/b"),
    ],
)
def test_opens_a_rados_gateway_as_s3(given: dict[str, Any], expected: str, tmp_path: Path) -> None:
    assert address(["RadosGWStorage", RADOS | given], tmp_path) == expected


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ([], r"\[driver, \{parameters\}\]; the drivers are LocalStorage, S3Storage, RadosGWStorage, MemoryStorage"),
        (["LocalStorage"], r"\[driver, \{parameters\}\]"),
        (["FakeStorage", {}], "no storage driver 'FakeStorage'; there are LocalStorage, S3Storage"),
        (["LocalStorage", {}], "LocalStorage needs the parameter 'storage_path'"),
        (["LocalStorage", {"storage_path": ""}], "LocalStorage needs the parameter 'storage_path'"),
        (["LocalStorage", {"storage_path": 5}], "storage_path must be of type str, not int"),
        (["LocalStorage", {"storage_path": "x", "path": "y"}], "does not know the parameter 'path'; it knows storage_"),
        (["MemoryStorage", {"size": 1}], "does not know the parameter 'size'; it knows none"),
        (["S3Storage", {}], "S3Storage needs the parameter 's3_bucket'"),
        (["S3Storage", S3 | {"port": True}], "port must be of type int, not bool"),
        (["S3Storage", S3 | {"host": "a", "endpoint_url": "http://b"}], "endpoint_url, or host"),
        (["S3Storage", {"s3_bucket": "b", "s3_access_key": "k"}], "both s3_access_key and s3_secret_key"),
        (["RadosGWStorage", {"hostname": "rgw"}], "RadosGWStorage needs the parameter 'access_key'"),
    ],
)
def test_names_the_mistake(config: list[Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        open_storage(config, data=tmp_path)
    assert "hidden" not in str(caught.value)
