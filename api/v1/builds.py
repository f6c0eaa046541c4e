"""Create, list, cancel and get status/logs of repository builds."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Annotated, Any

from pydantic import Field

from api.endpoint import Answer, Body, Query, Resource, Section, View, operation
from api.rules import repo_admin, repo_push, repo_read
from api.v1.discovery import PREFIX
from api.v1.trigger_views import PullRobotView, TriggerShow, TriggerView
from models import build_options, build_queue, buildlogs, builds
from models.access import may
from models.errors import Invalid, NotFound, Upstream
from models.queue import count_workers
from models.tables import Build, Repository
from models.tables.jobs import Failure
from storage.driver import StorageError

section = Section("build", __doc__, needs=["FEATURE_BUILD_SUPPORT"])

_LAST_SECOND = 253_402_300_799  # of the year 9999
MOST_LISTED = 1000
Text = Annotated[str, Field(max_length=8192)]
Secret = Annotated[str, Field(max_length=build_options.LONGEST_SECRET)]


class BuildRequest(Body):
    """What to build: an archive with a Dockerfile in it."""

    archive_url: Text | None = Field(None, description="The http or https URL of a tar (plain, gz, xz, zst) or zip.")
    file_id: Text | None = Field(None, description="An archive that was uploaded before, in place of archive_url.")
    subdirectory: Text | None = Field(None, description="The folder with the Dockerfile; the context unless given.")
    dockerfile_path: Text | None = Field(None, description="The path of the Dockerfile, in place of subdirectory.")
    context: Text | None = Field(None, description="The folder whose files the build may use.")
    pull_robot: Text | None = Field(
        None,
        description="The robot whose credentials pull private base images. The caller must administer its namespace, "
        "and an access token must cover org:admin (user:admin for a user's own robots).",
    )
    docker_tags: list[Text] = Field(
        ["latest"], min_length=1, max_length=builds.MOST_TAGS, description="The tags that the image gets."
    )
    build_args: dict[Text, Text] = Field(
        default_factory=dict, description="Values for the Dockerfile's ARGs. They are shown with the build: no secrets."
    )
    labels: dict[Text, Text] = Field(default_factory=dict, description="Labels that the image gets.")
    secrets: dict[Text, Secret] = Field(
        default_factory=dict,
        description="For `RUN --mount=type=secret,id=NAME`: encrypted until the build has ended, and never shown.",
    )
    target: Text | None = Field(None, description="The stage to build; the last one unless given.")
    platform: Text | None = Field(None, description="The platform to build for, such as linux/arm64.")
    cache: bool = Field(True, description="Whether steps may be taken over from earlier builds of the repository.")


class BuildsQuery(Query):
    since: int | None = Field(None, le=_LAST_SECOND, description="Returns all builds since the given unix timecode")
    limit: int = Field(5, ge=0, description="The maximum number of builds to return; 0: all that fit")


class LogsQuery(Query):
    start: int = Field(0, ge=0, le=2**53, description="The number of the first entry to return")


class RepositoryName(View):
    namespace: str
    name: str


class QueueView(View):
    """Where a build that waits stands, counted from 1, and what it waits for."""

    position: int | None
    priority: int
    waiting_for: str


class ReadersBuildView(View):
    id: str
    phase: str
    started: str
    display_name: str
    status: dict[str, Any]
    subdirectory: str
    dockerfile_path: str
    context: str
    tags: list[str]
    manual_user: str | None
    is_writer: bool
    trigger: TriggerView | None
    trigger_metadata: dict[str, Any]
    resource_key: str | None
    pull_robot: PullRobotView | None
    repository: RepositoryName
    error: str | None
    failure: Failure | None
    image_digest: str | None
    queue: QueueView | None


class BuildView(ReadersBuildView):
    """Only who may write to the repository sees where the source comes from: the URL may be secret.

    And what the build was told; of secrets nothing. `inputs`: what the image is made of, with the digests; `provenance`
    is that of the statement attached to the image.
    """

    archive_url: str | None
    build_args: dict[str, Any]
    labels: dict[str, Any]
    target: str | None
    platform: str | None
    inputs: dict[str, Any] | None


class BuildsView(View):
    builds: list[BuildView | ReadersBuildView]


class LogsView(View):
    """Entries from `start` on; there may be more, up to `total`, than one answer holds."""

    start: int
    total: int
    logs: list[dict[str, Any]]


class ArchivedLogsView(LogsView):
    """`logs_url`: where the log of an ended build, which changes no more, is read again."""

    logs_url: str


class BuildsResource(Resource):
    """What the operations on builds share."""

    def show(self, repository: Repository, shown: Sequence[Build]) -> list[BuildView | ReadersBuildView]:
        writer = may(self.session, self.caller, repository, "write")
        running = [build.uuid for build in shown if build.job.state == "running"]
        live = buildlogs.read_status(self.services.redis, running)
        admin = writer and may(self.session, self.caller, repository, "admin")
        triggers = TriggerShow(self.session, self.settings, admin=admin)
        waiting = self._queue(shown)
        return [_view(build, live.get(build.uuid), triggers, waiting, writer=writer) for build in shown]

    def _queue(self, shown: Sequence[Build]) -> dict[str, QueueView]:
        """By uuid, where those of the builds stand that wait."""
        places = build_queue.places(self.session, shown, limit=self.settings.BUILD_MAX_RUNNING_PER_NAMESPACE)
        workers = count_workers(self.services.redis, build_queue.QUEUE) if places else None
        return {
            uuid: QueueView(position=place.position, priority=place.priority, waiting_for=place.waiting_for(workers))
            for uuid, place in places.items()
        }

    def find(self, repository: Repository, uuid: str) -> Build:
        """The build; Invalid where Quay answers so for one that does not exist."""
        try:
            return builds.get_build(self.session, repository, uuid)
        except NotFound as exc:
            raise Invalid(f"Unable to locate a build by id: {uuid}") from exc

    def readable(self, repository: Repository, uuid: str) -> Build:
        """The build, for a caller who may read its log."""
        readers = self.settings.FEATURE_READER_BUILD_LOGS
        if not readers and not may(self.session, self.caller, repository, "write"):
            raise self.caller.refuse()
        return self.find(repository, uuid)

    def logs_of(self, build: Build, start: int, archived_at: str) -> ArchivedLogsView | LogsView:
        """The build's log from an entry on. `archived_at`: the path where this caller reads it again."""
        services = self.services
        try:
            total, logs = buildlogs.read_logs(services.redis, build.job, start, open_archive=services.storage.open)
        except StorageError as exc:
            raise Upstream("The build's archived log cannot be read from storage now; try again soon") from exc
        if build.job.logs_path is None:
            return LogsView(start=start, total=total, logs=logs)
        return ArchivedLogsView(start=start, total=total, logs=logs, logs_url=f"{self.settings.url}{archived_at}")


@section.at("/repository/<repopath:repository>/build/")
class RepositoryBuilds(BuildsResource):
    @operation("getRepoBuilds", allow=repo_read)
    def get(self, repository: Repository, query: BuildsQuery) -> BuildsView:
        """Get the list of repository builds."""
        since = None if query.since is None else datetime.fromtimestamp(max(query.since, 0), UTC)
        limit = min(query.limit or MOST_LISTED, MOST_LISTED)
        found = builds.list_builds(self.session, repository, limit=limit, since=since)
        return BuildsView(builds=self.show(repository, found))

    @operation("requestRepoBuild", allow=repo_push, status=201)
    def post(self, repository: Repository, body: BuildRequest) -> Answer[BuildView | ReadersBuildView]:
        """Request that a repository be built and pushed from the specified input."""
        dockerfile, context = builds.paths_in_archive(body.dockerfile_path, body.subdirectory, body.context)
        build = builds.start_build(
            self.session,
            repository,
            builds.Source(body.archive_url, body.file_id, dockerfile, context),
            tags=body.docker_tags,
            pull_robot=body.pull_robot,
            actor=self.caller,
            limit=self.settings.DEFAULT_NAMESPACE_MAXIMUM_BUILD_COUNT,
            options=build_options.BuildOptions(
                body.build_args, body.labels, body.secrets, body.target, body.platform, body.cache
            ),
            engine=self.settings.BUILD_ENGINE,
        )
        return Answer(self.show(repository, [build])[0], {"Location": f"{build_path(build)}/status"})


@section.at("/repository/<repopath:repository>/build/<build_uuid>")
class RepositoryBuild(BuildsResource):
    @operation("getRepoBuild", allow=repo_read)
    def get(self, repository: Repository, build_uuid: str) -> BuildView | ReadersBuildView:
        """Returns information about a build."""
        return self.show(repository, [builds.get_build(self.session, repository, build_uuid)])[0]

    @operation("cancelRepoBuild", allow=repo_admin, status=201)
    def delete(self, repository: Repository, build_uuid: str) -> str:
        """Cancels a repository build."""
        build = builds.get_build(self.session, repository, build_uuid)
        builds.cancel_build(self.session, build, actor=self.caller)
        return "Okay"


@section.at("/repository/<repopath:repository>/build/<build_uuid>/status")
class RepositoryBuildStatus(BuildsResource):
    @operation("getRepoBuildStatus", allow=repo_read)
    def get(self, repository: Repository, build_uuid: str) -> BuildView | ReadersBuildView:
        """Return the status for the builds specified by the build uuids."""
        return self.show(repository, [self.find(repository, build_uuid)])[0]


@section.at("/repository/<repopath:repository>/build/<build_uuid>/logs")
class RepositoryBuildLogs(BuildsResource):
    @operation("getRepoBuildLogs", allow=repo_read)
    def get(self, repository: Repository, build_uuid: str, query: LogsQuery) -> ArchivedLogsView | LogsView:
        """Return the build logs for the build specified by the build uuid.

        While the build runs, ask again with `start` set to the number of entries already read.
        """
        build = self.readable(repository, build_uuid)
        return self.logs_of(build, query.start, f"{build_path(build)}/logs")


def build_path(build: Build) -> str:
    """Where the build is shown."""
    return f"{PREFIX}/repository/{build.repository.path}/build/{build.uuid}"


def _view(
    build: Build,
    live: dict[str, Any] | None,
    triggers: TriggerShow,
    waiting: Mapping[str, QueueView],
    *,
    writer: bool,
) -> BuildView | ReadersBuildView:
    repository = build.repository
    view = ReadersBuildView(
        id=build.uuid,
        phase=builds.phase_of(build),
        started=formatdate(build.job.created_at.timestamp()),
        display_name=build.display_name,
        status=build.status if live is None else live,
        subdirectory=build.dockerfile_path,
        dockerfile_path=build.dockerfile_path,
        context=build.context,
        tags=build.tags,
        manual_user=build.manual_user,
        is_writer=writer,
        trigger=triggers.view(build.trigger) if build.trigger else None,
        trigger_metadata=build.trigger_metadata,
        resource_key=build.resource_key,
        pull_robot=PullRobotView(name=build.pull_robot.name) if build.pull_robot else None,
        repository=RepositoryName(namespace=repository.namespace.name, name=repository.name),
        error=build.job.error,
        failure=build.job.failure,
        queue=waiting.get(build.uuid),
        image_digest=build.image_digest,
    )
    if not writer:
        return view
    told = build_options.options_of(build.build_args, build.options, {})
    return BuildView(
        **dict(view),
        archive_url=build.archive_url,
        build_args=build.build_args,
        labels=dict(told.labels),
        target=told.target,
        platform=told.platform,
        inputs=build.inputs,
    )
