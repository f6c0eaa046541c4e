"""Every key that may be set, in groups: its kind, its default, and what it means.

The descriptions become `docs/configuration.md`. Keys are spelled as Quay's where Quay has the concept.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from config.action_log import LogKeys
from config.building import BuildKeys
from config.group import Group
from config.kinds import (
    Arguments,
    Count,
    CountOrNone,
    DatabaseUri,
    Duration,
    Durations,
    Flag,
    Folder,
    Host,
    Kind,
    Names,
    Netloc,
    Password,
    Plans,
    Port,
    PrivateHosts,
    PruningPolicy,
    RedisUrl,
    Seconds,
    Secret,
    Secrets,
    Size,
    StorageConfig,
    Text,
)
from config.mail import MailKeys
from config.people import AccountKeys, SignInKeys
from config.units import parse_size


class ServerKeys(Group):
    title = "Server"

    HOST: Host = Field(
        default="127.0.0.1", description="Address to listen on; `0.0.0.0` for every IPv4 address of the machine."
    )
    PORT: Port = Field(default=8080, description="Port to listen on.")
    DATA: Folder = Field(
        default=Path("data"),
        validate_default=True,
        description="Data folder: what embedded mode keeps, and what relative paths in other keys start from. "
        "A relative folder starts from the folder in which the command runs.",
    )
    SERVER_HOSTNAME: Netloc = Field(
        default="localhost:8080",
        description="Host name, and port unless it is the scheme's own, by which clients reach this registry. "
        "Not set: `localhost` and PORT.",
    )
    PREFERRED_URL_SCHEME: Annotated[Literal["http", "https"], Kind("`http` or `https`", "http or https")] = Field(
        default="http",
        description="Scheme by which clients reach this registry; `https` when a proxy in front ends TLS.",
    )
    TRUSTED_PROXIES: CountOrNone = Field(
        default=0,
        description="How many proxies stand in front, each adding to `X-Forwarded-For`, `X-Forwarded-Proto` and "
        "`X-Forwarded-Host`. 0: these headers are ignored, for anybody could send them.",
    )
    REGISTRY_TITLE: Text = Field(default="Drydock", description="Name shown to people.")
    WEB_WORKERS: Count = Field(default=2, description="Web processes.")
    WEB_THREADS: Count = Field(
        default=16,
        description="Requests that each web process works on at once; those of slow clients it waits for do not count.",
    )
    BODY_MINIMUM_RATE: Size = Field(
        default=parse_size("1K"),
        description="Bytes a second at which a request's body has to come, and an answer to be taken, over time. "
        "Slower clients, and those that stop, are given up after BODY_PATIENCE_SEC.",
    )
    BODY_PATIENCE_SEC: Seconds = Field(
        default=60,
        description="For how long a client may send a request's body, or take an answer, more slowly than "
        "BODY_MINIMUM_RATE, or not at all, in seconds. Pauses are forgiven as it catches up. Shorter while hundreds of "
        "clients are waited for.",
    )
    LOG_LEVEL: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"],
        Kind("`DEBUG`, `INFO`, `WARNING` or `ERROR`", "DEBUG, INFO, WARNING or ERROR"),
    ] = Field(default="INFO", description="Least severe log lines that are written.")
    LOG_FORMAT: Annotated[Literal["text", "json"], Kind("`text` or `json`", "text or json")] = Field(
        default="text", description="Log lines for people, or one JSON object a line for a log collector."
    )


class DatabaseKeys(Group):
    title = "Database"

    DB_URI: DatabaseUri | None = Field(
        default=None,
        description="PostgreSQL (`postgresql://user:password@host/name`) or a SQLite file (`sqlite:///name.db`, in the "
        "data folder unless absolute). Not set: `drydock.db` in the data folder. With a SQLite file in the data folder "
        "Drydock runs embedded: secrets that are not set are made on the first start.",
    )
    DB_CONNECTION_ARGS: Arguments = Field(
        default={}, repr=False, description="Arguments for the database driver, such as `{sslmode: verify-full}`."
    )
    DB_POOL_SIZE: Count = Field(default=16, description="Database connections that each process keeps open at most.")


class StorageKeys(Group):
    title = "Storage"

    DISTRIBUTED_STORAGE_CONFIG: StorageConfig = Field(
        default={"local": ("LocalStorage", {"storage_path": "storage"})},
        repr=False,
        description="Where blobs are kept: location name → [driver, {parameters}]. "
        "A relative `storage_path` of `LocalStorage` starts from the data folder.",
    )
    DISTRIBUTED_STORAGE_PREFERENCE: Names = Field(
        default=("local",),
        min_length=1,
        description="Location names, most preferred first; the first is used. Not set: all, in the order configured.",
    )
    FEATURE_PROXY_STORAGE: Flag = Field(
        default=False,
        description="Send blobs through this server. When false, a store that can (S3) serves clients itself.",
    )


class RedisServer(BaseModel):
    """A Redis server in Quay's spelling."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)

    host: Host = Field(description="Host name or address.")
    port: Port = Field(default=6379, description="Port.")
    password: Password | None = Field(default=None, description="Password, if the server wants one.")
    db: CountOrNone = Field(default=0, description="Database number.")
    ssl: Flag = Field(default=False, description="Connect with TLS.")


_REDIS = Kind("mapping", "a mapping with host and, if need be, port, password, db and ssl")


class RedisKeys(Group):
    title = "Redis"

    REDIS_URL: RedisUrl | None = Field(
        default=None,
        description="`redis://:password@host:6379/0`, `rediss://…` (TLS) or `unix:///path`. "
        "None of the three keys set: `drydock serve` starts a private Redis.",
    )
    BUILDLOGS_REDIS: Annotated[RedisServer, _REDIS] | None = Field(
        default=None,
        description="The same in Quay's spelling: `host`, `port` (6379), `password`, `db` (0), `ssl` (false).",
    )
    USER_EVENTS_REDIS: Annotated[RedisServer, _REDIS] | None = Field(
        default=None,
        description="As BUILDLOGS_REDIS. Drydock uses one Redis, so the two must name the same when both are set.",
    )


class SecretKeys(Group):
    title = "Secrets"

    SECRET_KEY: Secret | None = Field(
        default=None,
        description="Signs sessions and what is handed out for a moment. All processes need the same. "
        "Embedded: made on the first start.",
    )
    DATABASE_SECRET_KEY: Secret | None = Field(
        default=None,
        description="Encrypts robot tokens and other secrets in the database. All processes need the same. "
        "Embedded: made on the first start. Without it they cannot be read again: back it up.",
    )
    DATABASE_SECRET_KEYS_PREVIOUS: Secrets = Field(
        default=(), description="Former values of DATABASE_SECRET_KEY, still accepted for decryption after a rotation."
    )
    PAGE_TOKEN_KEY: Secret | None = Field(
        default=None, description="Protects the page tokens of long lists. Not set: derived from SECRET_KEY."
    )


class AccessKeys(Group):
    title = "Access"

    SUPER_USERS: Names = Field(
        default=(), description="User names that are superusers, besides those marked in the database."
    )
    FEATURE_SUPERUSERS_FULL_ACCESS: Flag = Field(
        default=False, description="Superusers may read and change every namespace, not only administer users."
    )
    BROWSER_API_CALLS_XHR_ONLY: Flag = Field(
        default=True,
        description="Browsers must send `X-Requested-With: XMLHttpRequest` with API calls. "
        "Set to false for a Swagger UI on another host.",
    )
    FEATURE_ANONYMOUS_ACCESS: Flag = Field(default=True, description="Public repositories are open without an account.")
    FEATURE_PARTIAL_USER_AUTOCOMPLETE: Flag = Field(
        default=True,
        description="Who is signed in finds users by the beginning of their names. When false, by the whole name only.",
    )
    FEATURE_REQUIRE_TEAM_INVITE: Flag = Field(
        default=True,
        description="Where FEATURE_MAILING is on: who is in no team of an organization is invited to one, and joins by "
        "accepting. When false, or without mail, people are added to teams at once.",
    )
    PLANS: Plans = Field(
        default=(),
        description="Plans that `GET /api/v1/plans/` tells of, for clients that ask; nothing is sold or limited by "
        "them. Each has `title`, `price` and `privateRepos`, and what else Quay's have (`audience`, `stripeId`…).",
    )
    FEATURE_RATE_LIMITS: Flag = Field(
        default=False,
        description="Calls of the REST API are limited: those beyond are answered 429, with `Retry-After`.",
    )
    API_CALLS_PER_SECOND: Count = Field(
        default=25,
        description="With FEATURE_RATE_LIMITS: calls a second of one account, or of one address without any.",
    )
    API_CALLS_BURST: Count = Field(
        default=100, description="With FEATURE_RATE_LIMITS: calls that may come at once before the rate counts."
    )
    REGISTRY_TOKEN_LIFETIME_SEC: Seconds = Field(
        default=3600, description="Life of a token from `/v2/auth`, in seconds."
    )
    OAUTH_ACCESS_TOKEN_LIFETIME_SEC: Seconds = Field(
        default=315_576_000, description="Life of an OAuth access token, in seconds; ten years, as in Quay."
    )
    APP_SPECIFIC_TOKEN_EXPIRATION: Duration | None = Field(
        default=None, description="Life of an application-specific token, such as `4w`. Not set: it does not expire."
    )
    FEDERATED_ROBOT_AUDIENCES: Names = Field(
        default=(),
        description="For whom other services' tokens have to be made (`aud`, one of these) to be exchanged for a "
        "robot's, where the robot's federation names no audiences. Not set: for anybody, as in Quay.",
    )
    OUTBOUND_ALLOWED_PRIVATE_HOSTS: PrivateHosts = Field(
        default=(),
        description="Host names, addresses and networks in private or loopback ranges that archives, git and webhooks "
        "may reach all the same. All other private addresses are refused.",
    )


class RepositoryKeys(Group):
    title = "Repositories"

    CREATE_PRIVATE_REPO_ON_PUSH: Flag = Field(
        default=True, description="A repository created by a push is private; when false it is public."
    )
    CREATE_NAMESPACE_ON_PUSH: Flag = Field(
        default=False, description="A push to an unknown namespace creates an organization."
    )
    FEATURE_EXTENDED_REPOSITORY_NAMES: Flag = Field(default=True, description="Repository names may contain slashes.")
    DEFAULT_TAG_EXPIRATION: Duration = Field(
        default="2w", description="How long a deleted tag can be restored; one of TAG_EXPIRATION_OPTIONS."
    )
    TAG_EXPIRATION_OPTIONS: Durations = Field(
        default=("0s", "1d", "1w", "2w", "4w"), description="What a namespace may choose for the same."
    )
    PUSH_TEMP_TAG_EXPIRATION_SEC: Seconds = Field(
        default=3600,
        description="How long what was just pushed is kept, in seconds, although nothing names it yet: blobs, and "
        "manifests pushed by digest.",
    )
    LABEL_KEY_RESERVED_PREFIXES: Names = Field(
        default=(),
        description="How keys of labels begin that nobody may attach to a manifest by REST, besides those that Quay "
        "reserves, such as `quay` and `org.opencontainers.`.",
    )
    FEATURE_QUOTA_MANAGEMENT: Flag = Field(
        default=True, description="Quotas of namespaces count, and what they use is told."
    )
    FEATURE_EDIT_QUOTA: Flag = Field(default=True, description="Quotas are shown and set by the REST API.")
    DEFAULT_SYSTEM_REJECT_QUOTA_BYTES: CountOrNone = Field(
        default=0, description="Bytes that a namespace without a quota may use; 0: as many as it likes."
    )
    FEATURE_SIGNING: Flag = Field(
        default=True, description="Repositories with trust enabled answer who signed their tags, as Quay's do."
    )
    FEATURE_AUTO_PRUNE: Flag = Field(
        default=True,
        description="Tags end by themselves where a policy of their namespace or repository says so. "
        "`drydock prune --dry-run` tells which would.",
    )
    DEFAULT_NAMESPACE_AUTOPRUNE_POLICY: PruningPolicy | None = Field(
        default=None,
        description="An auto-prune policy for every repository of everybody, beside those that namespaces and "
        "repositories have themselves, as in Quay: `{method: number_of_tags, value: 50}`, or `{method: creation_date, "
        "value: 1y}`. It begins within AUTOPRUNE_TASK_RUN_MINIMUM_INTERVAL_MINUTES of a start.",
    )
    AUTOPRUNE_TASK_RUN_MINIMUM_INTERVAL_MINUTES: Count = Field(
        default=60, description="Minutes between two rounds of an auto-prune policy through its repositories."
    )
    FEATURE_GARBAGE_COLLECTION: Flag = Field(
        default=True,
        description="The scheduler collects what nothing names any more. `drydock gc` does it at any time.",
    )
    GARBAGE_COLLECTION_FREQUENCY: Seconds = Field(
        default=30, description="Seconds between two collections by the scheduler."
    )
    MAXIMUM_LAYER_SIZE: Size = Field(default=parse_size("1T"), description="Largest blob that can be pushed.")
    MAXIMUM_MANIFEST_SIZE: Size = Field(default=parse_size("4M"), description="Largest manifest that can be pushed.")


GROUPS: tuple[type[Group], ...] = (
    ServerKeys,
    DatabaseKeys,
    StorageKeys,
    RedisKeys,
    SecretKeys,
    AccessKeys,
    MailKeys,
    SignInKeys,
    AccountKeys,
    RepositoryKeys,
    BuildKeys,
    LogKeys,
)
"""The groups in the order of the reference."""
