"""The kinds of values that settings have: how each is checked, and how the reference and errors name it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic.fields import FieldInfo

from config.units import parse_duration, parse_size

SECRET_LENGTH = 32
"""Fewest characters of a key that signs or encrypts."""
LONGEST_S = 2**31 - 1
"""Most seconds of a duration: the database keeps them in 32 bits."""


@dataclass(frozen=True)
class Kind:
    """What people are told of a kind of value: `name` in the reference, `expected` (of it, or of an `item` in it)."""

    name: str
    expected: str
    item: str = ""


def kind_of(field: FieldInfo) -> Kind:
    """The outermost Kind in a field's annotation; LookupError for a field declared without one."""
    for kind in _kinds(field.annotation, field.metadata):
        return kind
    raise LookupError(f"declared without a kind: {field.annotation}")


def _kinds(annotation: object, metadata: Sequence[object] = ()) -> Iterable[Kind]:
    yield from (mark for mark in metadata if isinstance(mark, Kind))
    for argument in get_args(annotation):
        yield from [argument] if isinstance(argument, Kind) else _kinds(argument)


_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_NETLOC = re.compile(rf"(?:{_HOST.pattern}|\[[0-9A-Fa-f:.]+\])(?::(\d{{1,5}}))?", re.ASCII)
_ADDRESS = r"[^\s@<>,;:\"]+@[^\s@<>,;:\"]+"
_SENDER = re.compile(rf"{_ADDRESS}|[^<>@,;:\"]+ <{_ADDRESS}>")
_ENGINE = re.compile(r"unix:///\S+|(?:tcp|https?|ssh|npipe)://\S+")


def is_host(text: str) -> bool:
    """Whether `text` is an IP address or a host name, without scheme, port and path."""
    try:
        ip_address(text)
    except ValueError:
        # A name that ends in digits only is a mistyped address.
        return len(text) <= 253 and bool(_HOST.fullmatch(text)) and not text.rpartition(".")[2].isdecimal()
    return True


def _require(condition: object) -> None:
    # What is wrong is told from the Kind, which never repeats the value; this only says that something is.
    if not condition:
        raise ValueError("not as expected")


def _host(text: str) -> str:
    _require(is_host(text))
    return text


def _netloc(text: str) -> str:
    match = _NETLOC.fullmatch(text)
    _require(match and int(match[1] or 1) in range(1, 65536))
    host = urlsplit(f"//{text}").hostname or ""
    _require(is_host(host))
    return text


def _private_host(text: str) -> str:
    host = text.lower().removesuffix(".")
    if not is_host(host):
        ip_network(host)
    return host


def _engine(text: str) -> str:
    _require(_ENGINE.fullmatch(text))
    return text


def _database(uri: SecretStr) -> SecretStr:
    parts = urlsplit(uri.get_secret_value())
    if parts.scheme == "sqlite":
        # In memory, each process would have a database of its own.
        _require(not parts.netloc and len(parts.path) > 1 and not re.match(r"/(:memory:|file:)", parts.path))
    else:
        _require(parts.scheme in {"postgres", "postgresql", "postgresql+psycopg"} and len(parts.path) > 1)
        _require(parts.port is None or parts.port > 0)
    return uri


def _redis(url: SecretStr) -> SecretStr:
    parts = urlsplit(url.get_secret_value())
    if parts.scheme == "unix":
        _require(len(parts.path) > 1)
    else:
        _require(parts.scheme in {"redis", "rediss"} and parts.hostname)
        _require(parts.port is None or parts.port > 0)
    return url


def _sender(text: str) -> str:
    _require(text.isprintable() and _SENDER.fullmatch(text))
    return text


def _http_url(text: str) -> str:
    parts = urlsplit(text)
    _require(parts.scheme in {"http", "https"} and parts.hostname and is_host(parts.hostname))
    _require(not (parts.query or parts.fragment or parts.username) and parts.port != 0)
    return text


def _folder(value: object) -> object:
    if not isinstance(value, str | Path):
        return value
    _require(str(value).strip())
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError as error:
        raise ValueError("no home folder") from error


def _size(value: object) -> object:
    return parse_size(value) if isinstance(value, str) else value


def _duration(text: str) -> str:
    _require(parse_duration(text).total_seconds() <= LONGEST_S)
    return text


def _pruning(policy: Mapping[str, Any]) -> Mapping[str, Any]:
    method, value = policy.get("method"), policy.get("value")
    _require(policy.keys() == {"method", "value"} and method in {"number_of_tags", "creation_date"})
    if method == "number_of_tags":
        _require(type(value) is int and value >= 1)
    else:
        _require(isinstance(value, str) and parse_duration(value) > timedelta())
    return policy


def _plan(told: Mapping[str, Any]) -> Mapping[str, Any]:
    _require(isinstance(told.get("title"), str) and told["title"])
    _require(all(type(told.get(key)) is int and told[key] >= 0 for key in ("price", "privateRepos")))
    return told


_STORE_FOLDER = re.compile(r"(?!(?:blobs|exports|logs|uploads)(?:/|$))[A-Za-z0-9_-]{1,60}(?:/[A-Za-z0-9_-]{1,60}){0,5}")


def _store_folder(value: str) -> str:
    folder = value.strip("/")
    if not _STORE_FOLDER.fullmatch(folder):
        raise ValueError("not a folder of its own")
    return folder


Flag = Annotated[bool, Kind("true or false", "true or false")]
Text = Annotated[str, Field(min_length=1, max_length=255), Kind("text", "text of 1 to 255 characters")]
Names = Annotated[Sequence[Text], Kind("list of names", "a list of names", "a name of 1 to 255 characters")]
Count = Annotated[int, Field(ge=1), Kind("whole number", "a whole number of at least 1")]
CountOrNone = Annotated[int, Field(ge=0), Kind("whole number", "a whole number of at least 0")]
Seconds = Annotated[int, Field(ge=1), Kind("seconds", "a whole number of seconds, at least 1")]
Port = Annotated[int, Field(ge=1, le=65535), Kind("port", "a port number from 1 to 65535")]
Size = Annotated[
    int,
    BeforeValidator(_size),
    Field(ge=1),
    Kind("size", "a number of bytes, at least 1, or a size such as 512K, 64M, 20G or 1T"),
]
_DURATION = Kind("duration", "a time such as 30s, 90m, 12h, 1d, 2w or 1y, at most 68y")
Duration = Annotated[str, AfterValidator(_duration), _DURATION]
Durations = Annotated[
    Sequence[Duration], Kind("list of durations", "a list of times such as [1d, 2w]", _DURATION.expected)
]
Folder = Annotated[Path, BeforeValidator(_folder), Kind("folder", "the path of a folder")]
StoreFolder = Annotated[
    str,
    AfterValidator(_store_folder),
    Kind("folder in storage", "letters, digits, - and _, with / between folders; not blobs, exports, logs or uploads"),
]
Host = Annotated[str, AfterValidator(_host), Kind("host", "an address or host name, without scheme and port")]
Netloc = Annotated[
    str,
    AfterValidator(_netloc),
    Kind("host[:port]", "a host name with an optional port and no scheme, such as registry.example.com:5000"),
]
PrivateHosts = Annotated[
    Sequence[Annotated[str, AfterValidator(_private_host)]],
    Kind(
        "list of hosts",
        "a list of host names, addresses and networks, such as [git.internal, 10.1.0.0/16]",
        "a host name, an address or a network such as 10.1.0.0/16, without scheme or port",
    ),
]
EngineUrl = Annotated[
    str,
    AfterValidator(_engine),
    Kind("URL", "the address of a Docker engine, such as unix:///var/run/docker.sock or tcp://10.0.0.5:2376"),
]
EngineKind = Literal["docker", "buildkit", "buildah"]
BuildEngine = Annotated[EngineKind, Kind("`docker`, `buildkit` or `buildah`", "docker, buildkit or buildah")]
DatabaseUri = Annotated[
    SecretStr,
    AfterValidator(_database),
    Kind("URI", "a database such as postgresql://user:password@host/drydock, or sqlite:///drydock.db (a file)"),
]
HttpUrl = Annotated[
    str,
    AfterValidator(_http_url),
    Kind("URL", "an address such as https://login.example.com/realms/ours/"),
]
RedisUrl = Annotated[
    SecretStr,
    AfterValidator(_redis),
    Kind("URL", "a Redis server such as redis://:password@host:6379/0, rediss://host or unix:///run/redis.sock"),
]
Secret = Annotated[
    SecretStr,
    Field(min_length=SECRET_LENGTH),
    Kind("secret", f"text of at least {SECRET_LENGTH} characters, in quotes"),
]
Password = Annotated[SecretStr, Kind("secret", "text, in quotes")]
_SECRET_LIST = f"a list of texts of at least {SECRET_LENGTH} characters"
Secrets = Annotated[
    Sequence[Secret],
    Kind("list of secrets", _SECRET_LIST, f"text of at least {SECRET_LENGTH} characters, in quotes"),
]
Sender = Annotated[
    Text, AfterValidator(_sender), Kind("address", "an e-mail address, or a name and an address: `Name <address>`")
]
_PLAN = "a plan with `title` (text), `price` (cents a month) and `privateRepos` (how many)"
Plans = Annotated[
    Sequence[Annotated[Mapping[str, Any], AfterValidator(_plan)]], Kind("list of plans", f"a list, each {_PLAN}", _PLAN)
]
_PRUNING = (
    "a mapping with `method` and `value`: number_of_tags and how many stay, or creation_date and an age such as 30d"
)
PruningPolicy = Annotated[Mapping[str, Any], AfterValidator(_pruning), Kind("mapping", _PRUNING)]
Arguments = Annotated[Mapping[str, Any], Kind("mapping", "names with values", "a name that is text")]
_LOCATION = "a driver and its parameters, such as [LocalStorage, {storage_path: storage}]"
StorageLocation = Annotated[tuple[Text, Mapping[str, Any]], Field(strict=False)]
"""(driver name, its parameters)."""
StorageConfig = Annotated[
    Mapping[Text, StorageLocation],
    Field(min_length=1),
    Kind("locations", f"location names, each with {_LOCATION}", _LOCATION),
]
