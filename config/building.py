"""The keys about building images."""

from pydantic import Field

from config.group import Group
from config.kinds import BuildEngine, Count, CountOrNone, EngineUrl, Flag, Netloc, Seconds, Size
from config.units import parse_size


class BuildKeys(Group):
    title = "Builds"

    FEATURE_BUILD_SUPPORT: Flag = Field(default=True, description="Images can be built here.")
    FEATURE_READER_BUILD_LOGS: Flag = Field(
        default=False,
        description="Who may read a repository may read its build logs; when false, write access is needed.",
    )
    BUILD_WORKERS: CountOrNone = Field(default=2, description="Worker processes that `drydock serve` starts.")
    DEFAULT_NAMESPACE_MAXIMUM_BUILD_COUNT: Count | None = Field(
        default=None, description="Most builds that may wait or run in a namespace. Not set: no limit."
    )
    BUILD_MAX_RUNNING_PER_NAMESPACE: Count | None = Field(
        default=None,
        description="Most builds that run at once in a namespace, unless a superuser has set another number for it. "
        "Not set: as many as there are workers.",
    )
    BUILD_HISTORY_DAYS: Count | None = Field(
        default=None,
        description="Builds that ended so many days ago are forgotten, with their logs, unless their image is still "
        "there. Not set: never.",
    )
    BUILD_HISTORY_MINIMUM: CountOrNone = Field(
        default=100,
        description="With BUILD_HISTORY_DAYS: the newest builds of a repository that stay however old they are.",
    )
    SUCCESSIVE_TRIGGER_FAILURE_DISABLE_THRESHOLD: CountOrNone = Field(
        default=100, description="A trigger is disabled after so many of its builds in a row have failed; 0: never."
    )
    SUCCESSIVE_TRIGGER_INTERNAL_ERROR_DISABLE_THRESHOLD: CountOrNone = Field(
        default=5,
        description="The same for builds in a row that ended with an internal error; 0: never.",
    )
    BUILD_ENGINE: BuildEngine = Field(
        default="docker",
        description="What builds: the Docker engine's classic builder, BuildKit in the same engine, or buildah, which "
        "needs no daemon.",
    )
    BUILD_ENGINE_URL: EngineUrl | None = Field(
        default=None,
        description="Docker engine that builds. Not set: `DOCKER_HOST` of the environment, else "
        "`unix:///var/run/docker.sock`.",
    )
    BUILD_REGISTRY_HOSTNAME: Netloc = Field(
        default="localhost:8080",
        description="Name by which the engine reaches this registry. Not set: SERVER_HOSTNAME.",
    )
    BUILD_MAX_SECONDS: Seconds = Field(default=7200, description="Longest time a build may take, in seconds.")
    BUILD_MAX_ARCHIVE_BYTES: Size = Field(default=parse_size("2G"), description="Largest archive that is downloaded.")
    BUILD_MAX_UNPACKED_BYTES: Size = Field(default=parse_size("10G"), description="Most that an archive may unpack to.")
    BUILD_MAX_ARCHIVE_ENTRIES: Count = Field(default=200_000, description="Most files and folders in an archive.")
    BUILD_MAX_LOG_BYTES: Size = Field(default=parse_size("64M"), description="Most log that is kept of a build.")
    BUILD_HEARTBEAT_SEC: Seconds = Field(default=5, description="Seconds between two signs of life of a running build.")
    BUILD_HEARTBEAT_TIMEOUT_SEC: Seconds = Field(
        default=30,
        description="Seconds without a sign of life after which a build's worker counts as dead and the build is tried "
        "again; at least twice BUILD_HEARTBEAT_SEC.",
    )
