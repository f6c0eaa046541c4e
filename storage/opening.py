"""Turns a value of `DISTRIBUTED_STORAGE_CONFIG`, written as Quay has it, into a driver; a mistake stops the start."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.driver import StorageDriver
from storage.local import LocalStorage
from storage.memory import MemoryStorage

Parameters = dict[str, Any]


@dataclass(frozen=True)
class _Known:
    """A driver that can be named: how it is opened, and which parameters of which type it takes."""

    open: Callable[[Parameters, Path], StorageDriver]
    required: dict[str, type]
    optional: dict[str, type]


def open_storage(config: list[Any], *, data: Path) -> StorageDriver:
    """The driver that `[name, {parameters}]` asks for; `data` is the folder that relative paths are relative to.

    ValueError names what is wrong and what could be instead, and never repeats a parameter's value. StorageError
    if the store cannot be opened. A bucket is not looked at before it is used: `ping` tells whether it answers.
    """
    driver, parameters = check_storage(config)
    return driver.open(parameters, data)


def check_storage(config: list[Any]) -> tuple[_Known, Parameters]:
    """The driver and its parameters, without a look at the store they lead to; ValueError as `open_storage`."""
    match config:
        case [str(name), dict(parameters)]:
            driver = _KNOWN.get(name)
            if driver is None:
                raise ValueError(f"there is no storage driver {name!r}; there are {', '.join(_KNOWN)}")
            _check(name, driver, parameters)
            return driver, parameters
        case _:
            raise ValueError(f"a storage is written as [driver, {{parameters}}]; the drivers are {', '.join(_KNOWN)}")


def _check(name: str, driver: _Known, parameters: Parameters) -> None:
    known = driver.required | driver.optional
    for key, value in parameters.items():
        if key not in known:
            raise ValueError(f"{name} does not know the parameter {key!r}; it knows {', '.join(known) or 'none'}")
        wanted = known[key]
        if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            raise ValueError(f"{name}: {key} must be of type {wanted.__name__}, not {type(value).__name__}")
    for key in driver.required:
        if parameters.get(key) in (None, ""):
            raise ValueError(f"{name} needs the parameter {key!r}; it knows {', '.join(known)}")
    if name == "S3Storage":
        _check_s3(parameters)


def _check_s3(parameters: Parameters) -> None:
    if "endpoint_url" in parameters and {"host", "port", "is_secure"} & parameters.keys():
        raise ValueError("S3Storage takes endpoint_url, or host with port and is_secure, not both")
    if ("s3_access_key" in parameters) != ("s3_secret_key" in parameters):
        raise ValueError("S3Storage needs both s3_access_key and s3_secret_key, or neither to use the machine's role")


def _local(parameters: Parameters, data: Path) -> StorageDriver:
    return LocalStorage(data / parameters["storage_path"])


def _memory(parameters: Parameters, data: Path) -> StorageDriver:
    return MemoryStorage()


def _s3(parameters: Parameters, data: Path) -> StorageDriver:
    return _bucket(
        parameters,
        bucket=parameters["s3_bucket"],
        access_key=parameters.get("s3_access_key"),
        secret_key=parameters.get("s3_secret_key"),
        endpoint=parameters.get("endpoint_url") or _endpoint(parameters.get("host"), parameters),
        region=parameters.get("s3_region", "us-east-1"),
    )


def _rados(parameters: Parameters, data: Path) -> StorageDriver:
    return _bucket(
        parameters,
        bucket=parameters["bucket_name"],
        access_key=parameters["access_key"],
        secret_key=parameters["secret_key"],
        endpoint=_endpoint(parameters["hostname"], parameters),
        region="us-east-1",
    )


def _bucket(
    parameters: Parameters,
    *,
    bucket: str,
    access_key: str | None,
    secret_key: str | None,
    endpoint: str | None,
    region: str,
) -> StorageDriver:
    # Imported only where it is used: boto3 costs a third of a second and some 30 MB that no other driver needs.
    from storage.s3 import S3Storage  # noqa: PLC0415

    return S3Storage(
        bucket,
        prefix=parameters.get("storage_path", ""),
        access_key=access_key,
        secret_key=secret_key,
        endpoint=endpoint,
        public_endpoint=parameters.get("public_endpoint_url"),
        region=region,
    )


def _endpoint(host: str | None, parameters: Parameters) -> str | None:
    """The URL of a server given by name; encrypted unless `is_secure` or a scheme in the name says otherwise."""
    if not host:
        return None
    scheme = "https" if parameters.get("is_secure", True) else "http"
    server = host.rstrip("/") if "://" in host else f"{scheme}://{host}"
    return f"{server}:{parameters['port']}" if "port" in parameters else server


_KNOWN = {
    "LocalStorage": _Known(_local, {"storage_path": str}, {}),
    "S3Storage": _Known(
        _s3,
        {"s3_bucket": str},
        {
            "s3_access_key": str,
            "s3_secret_key": str,
            "storage_path": str,
            "host": str,
            "port": int,
            "is_secure": bool,
            "s3_region": str,
            "endpoint_url": str,
            "public_endpoint_url": str,
        },
    ),
    "RadosGWStorage": _Known(
        _rados,
        {"access_key": str, "secret_key": str, "bucket_name": str, "hostname": str},
        {"is_secure": bool, "port": int, "storage_path": str, "public_endpoint_url": str},
    ),
    "MemoryStorage": _Known(_memory, {}, {}),
}
