"""The settings object that every process is built from: all keys, checked against each other, and what follows."""

import hashlib
import hmac
import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from email.utils import parseaddr
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, create_model, model_validator
from pydantic_core import PydanticCustomError

from config.action_log import LogKeys
from config.building import BuildKeys
from config.mail import MailKeys
from config.people import LOGIN_CONFIG, AccountKeys, LoginService, LoginServiceKey, SignInKeys
from config.schema import (
    AccessKeys,
    DatabaseKeys,
    RedisKeys,
    RedisServer,
    RepositoryKeys,
    SecretKeys,
    ServerKeys,
    StorageKeys,
)
from config.units import parse_duration

_DOCKER_SOCKET = "unix:///var/run/docker.sock"


class Conflict(NamedTuple):
    """Keys that are right each for itself and wrong together; told at `key`."""

    key: str
    other: str
    message: str


class Settings(
    LogKeys,
    BuildKeys,
    RepositoryKeys,
    AccountKeys,
    SignInKeys,
    MailKeys,
    AccessKeys,
    SecretKeys,
    RedisKeys,
    StorageKeys,
    DatabaseKeys,
    ServerKeys,
):
    """Every setting, immutable; `load_settings` makes one from a file and the environment, `Settings()` from defaults.

    To change one afterwards, load again with it: defaults that follow another key (SERVER_HOSTNAME…) follow only then.
    """

    @model_validator(mode="before")
    @classmethod
    def _follow(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        followed: dict[str, Any] = {}
        if isinstance(port := values.get("PORT"), int):
            followed["SERVER_HOSTNAME"] = f"localhost:{port}"
        if hostname := values.get("SERVER_HOSTNAME", followed.get("SERVER_HOSTNAME")):
            followed["BUILD_REGISTRY_HOSTNAME"] = hostname
        if isinstance(locations := values.get("DISTRIBUTED_STORAGE_CONFIG"), dict):
            followed["DISTRIBUTED_STORAGE_PREFERENCE"] = list(locations)
        return followed | values

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if conflicts := list(self._conflicts()):
            told = "; ".join(f"{conflict.key}: {conflict.message}" for conflict in conflicts)
            raise PydanticCustomError("conflict", "{told}", {"told": told, "conflicts": conflicts})
        return self

    def _conflicts(self) -> Iterator[Conflict]:
        known = list(self.DISTRIBUTED_STORAGE_CONFIG)
        if self.ACTION_LOG_ARCHIVE_LOCATION not in (None, *known):
            message = f"expected a location of DISTRIBUTED_STORAGE_CONFIG ({', '.join(known)})"
            yield Conflict("ACTION_LOG_ARCHIVE_LOCATION", "DISTRIBUTED_STORAGE_CONFIG", message)
        for name in self.DISTRIBUTED_STORAGE_PREFERENCE:
            if name not in known:
                message = f"expected locations of DISTRIBUTED_STORAGE_CONFIG ({', '.join(known)}), got {name!r}"
                yield Conflict("DISTRIBUTED_STORAGE_PREFERENCE", "DISTRIBUTED_STORAGE_CONFIG", message)
        if self.DEFAULT_TAG_EXPIRATION not in self.TAG_EXPIRATION_OPTIONS:
            options = ", ".join(self.TAG_EXPIRATION_OPTIONS)
            message = f"expected one of TAG_EXPIRATION_OPTIONS ({options}), got {self.DEFAULT_TAG_EXPIRATION!r}"
            yield Conflict("DEFAULT_TAG_EXPIRATION", "TAG_EXPIRATION_OPTIONS", message)
        if self.BUILD_HEARTBEAT_TIMEOUT_SEC < 2 * self.BUILD_HEARTBEAT_SEC:
            least = 2 * self.BUILD_HEARTBEAT_SEC
            message = f"expected at least twice BUILD_HEARTBEAT_SEC ({least}), got {self.BUILD_HEARTBEAT_TIMEOUT_SEC}"
            yield Conflict("BUILD_HEARTBEAT_TIMEOUT_SEC", "BUILD_HEARTBEAT_SEC", message)
        if self.MAIL_USE_AUTH and not (self.MAIL_USERNAME and self.MAIL_PASSWORD):
            message = "expected MAIL_USERNAME and MAIL_PASSWORD as well"
            yield Conflict("MAIL_USE_AUTH", "MAIL_USERNAME", message)
        yield from self._redis_conflicts()

    def _redis_conflicts(self) -> Iterator[Conflict]:
        logs, events = self.BUILDLOGS_REDIS, self.USER_EVENTS_REDIS
        if self.REDIS_URL and (logs or events):
            other = "BUILDLOGS_REDIS" if logs else "USER_EVENTS_REDIS"
            yield Conflict("REDIS_URL", other, f"expected REDIS_URL or {other}, got both; keep one")
        if logs and events and logs != events:
            message = "expected the same server as BUILDLOGS_REDIS, because Drydock uses one Redis; leave this key out"
            yield Conflict("USER_EVENTS_REDIS", "BUILDLOGS_REDIS", message)

    @property
    def data(self) -> Path:
        """The data folder, absolute; it need not exist yet."""
        return self.DATA

    def path(self, relative: str | Path) -> Path:
        """A path named in a setting, absolute: relative ones start from the data folder."""
        return self.data / Path(relative).expanduser()

    @property
    def url(self) -> str:
        """Where clients reach this instance: scheme and host, without a slash at the end."""
        return f"{self.PREFERRED_URL_SCHEME}://{self.SERVER_HOSTNAME}"

    @property
    def hostname(self) -> str:
        """The host of SERVER_HOSTNAME, without its port."""
        return urlsplit(f"//{self.SERVER_HOSTNAME}").hostname or "localhost"

    @property
    def mail_sender(self) -> str:
        """What mail says it is from."""
        return self.MAIL_DEFAULT_SENDER or f"no-reply@{self.hostname}"

    @property
    def mail_sender_address(self) -> str:
        """The address in it."""
        return parseaddr(self.mail_sender)[1]

    @property
    def db_uri(self) -> SecretStr:
        """The database as SQLAlchemy wants it: psycopg for PostgreSQL, an absolute path for SQLite."""
        if self.DB_URI is None:
            return SecretStr(f"sqlite:///{self.data / 'drydock.db'}")
        given = self.DB_URI.get_secret_value()
        if self.database_file is None:
            return SecretStr("postgresql+psycopg://" + given.partition("://")[2])
        query = urlsplit(given).query
        return SecretStr(f"sqlite:///{self.database_file}" + (f"?{query}" if query else ""))

    @property
    def database_file(self) -> Path | None:
        """The SQLite file, absolute; None with PostgreSQL."""
        if self.DB_URI is None:
            return self.data / "drydock.db"
        given = urlsplit(self.DB_URI.get_secret_value())
        # `sqlite:///name` is relative and `sqlite:////name` absolute: the first slash ends the (empty) host.
        return self.path(given.path[1:]) if given.scheme == "sqlite" else None

    @property
    def embedded(self) -> bool:
        """Whether the database is a file in the data folder, so that the folder is all there is of this instance."""
        file = self.database_file
        return file is not None and Path(os.path.normpath(file)).is_relative_to(os.path.normpath(self.data))

    @property
    def redis_url(self) -> SecretStr | None:
        """The Redis to use, for `redis.Redis.from_url`; None: `drydock serve` starts a private one."""
        if self.REDIS_URL is not None:
            return self.REDIS_URL
        server = self.BUILDLOGS_REDIS or self.USER_EVENTS_REDIS
        return None if server is None else _redis_url(server)

    @property
    def build_engine_url(self) -> str:
        """The Docker engine that builds."""
        return self.BUILD_ENGINE_URL or _DOCKER_SOCKET

    @property
    def default_tag_expiration_s(self) -> int:
        """For how many seconds a deleted tag can be restored in a namespace that chose nothing."""
        return int(parse_duration(self.DEFAULT_TAG_EXPIRATION).total_seconds())

    @property
    def login_services(self) -> Mapping[str, LoginService]:
        """The services by which people sign in, by the name in their key: KEYCLOAK_LOGIN_CONFIG is `keycloak`."""
        keys = (key for key in type(self).model_fields if key.endswith(LOGIN_CONFIG))
        return {key.removesuffix(LOGIN_CONFIG).lower(): getattr(self, key) for key in keys}

    def is_refused_address(self, email: str | None) -> bool:
        """Whether nobody creates an account with the address, by FEATURE_BLACKLISTED_EMAILS."""
        host = (email or "").rpartition("@")[2].lower()
        domains = map(str.lower, self.BLACKLISTED_EMAIL_DOMAINS if self.FEATURE_BLACKLISTED_EMAILS else ())
        return any(host == domain or host.endswith(f".{domain}") for domain in domains)

    @property
    def log_rotation_threshold(self) -> timedelta:
        """How old an entry of the action log is when it is moved to storage."""
        return parse_duration(self.ACTION_LOG_ROTATION_THRESHOLD)

    @property
    def fresh_login_timeout(self) -> timedelta:
        """How long after the password was given a session may do what is dangerous."""
        return parse_duration(self.FRESH_LOGIN_TIMEOUT)

    @property
    def app_token_lifetime(self) -> timedelta | None:
        """How long a new application-specific token is good; None: as long as it is there."""
        return parse_duration(self.APP_SPECIFIC_TOKEN_EXPIRATION) if self.APP_SPECIFIC_TOKEN_EXPIRATION else None

    @property
    def session_lifetime(self) -> timedelta:
        """After what time a browser session ends in any case."""
        return timedelta(seconds=self.PERMANENT_SESSION_LIFETIME)

    @property
    def session_idle_time(self) -> timedelta:
        """After what time a browser session ends that is not used."""
        return parse_duration(self.SESSION_IDLE_TIME)

    @property
    def recovery_lifetime(self) -> timedelta:
        """How long the link in a mail for a forgotten password works."""
        return parse_duration(self.USER_RECOVERY_TOKEN_LIFETIME)

    @property
    def secret_key(self) -> SecretStr:
        """Signs sessions and the like; LookupError before `ensure_secrets`."""
        return _present("SECRET_KEY", self.SECRET_KEY)

    @property
    def database_secret_keys(self) -> tuple[SecretStr, ...]:
        """Encrypts what is secret in the database: the current key, then former ones; LookupError as above."""
        return _present("DATABASE_SECRET_KEY", self.DATABASE_SECRET_KEY), *self.DATABASE_SECRET_KEYS_PREVIOUS

    @property
    def page_token_key(self) -> SecretStr:
        """Protects page tokens; LookupError as above."""
        if self.PAGE_TOKEN_KEY is not None:
            return self.PAGE_TOKEN_KEY
        key = self.secret_key.get_secret_value().encode()
        return SecretStr(hmac.new(key, b"drydock page token key", hashlib.sha256).hexdigest())


def settings_with(keys: Iterable[str]) -> type[Settings]:
    """Settings that have these keys for services to sign in by, too."""
    fields: dict[str, Any] = {key: (LoginServiceKey, Field(repr=False)) for key in keys}
    return create_model("Settings", __base__=Settings, **fields) if fields else Settings


def _redis_url(server: RedisServer) -> SecretStr:
    scheme = "rediss" if server.ssl else "redis"
    login = f":{quote(server.password.get_secret_value(), safe='')}@" if server.password else ""
    host = f"[{server.host}]" if ":" in server.host else server.host
    return SecretStr(f"{scheme}://{login}{host}:{server.port}/{server.db}")


def _present(key: str, secret: SecretStr | None) -> SecretStr:
    if secret is None:
        raise LookupError(f"{key} is not set; config.secrets.ensure_secrets comes first")
    return secret
