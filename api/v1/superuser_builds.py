"""Look at builds of any repository, as an administrator of the installation."""

from typing import Annotated

from pydantic import Field

from api.endpoint import NULL, Body, Section, View, operation
from api.rules import fresh, superuser, superuser_over_namespace
from api.v1.builds import (
    ArchivedLogsView,
    BuildsResource,
    BuildView,
    LogsQuery,
    LogsView,
    ReadersBuildView,
)
from api.v1.discovery import PREFIX
from models import build_queue, builds
from models.errors import Invalid, NotFound
from models.tables import Account, Build

section = Section("superuser", __doc__, needs=["FEATURE_BUILD_SUPPORT"])


class BuildPriority(Body):
    """Where a waiting build stands among others."""

    priority: int = Field(ge=-1000, le=1000, description="Builds of higher priority begin first; most have 0.")


class Share(BuildPriority):
    """A namespace's part in the queue of builds."""

    max_running: Annotated[int | None, NULL] = Field(
        None, ge=0, le=1_000_000, description="Most builds that run at once; not set: BUILD_MAX_RUNNING_PER_NAMESPACE."
    )
    priority: int = Field(0, ge=-1000, le=1000, description="Builds of higher priority begin first; most have 0.")


class ShareView(View):
    max_running: int | None
    priority: int


class _Builds(BuildsResource):
    def any_build(self, uuid: str) -> Build:
        """The build; Invalid, where Quay answers so for one that does not exist."""
        build = builds.find_build(self.session, uuid)
        if build is None:
            raise Invalid(f"Unable to locate a build by id: {uuid}")
        return build


@section.at("/superuser/<build_uuid>/build")
class AnyBuild(_Builds):
    @operation("getRepoBuildSuperUser", allow=fresh(superuser))
    def get(self, build_uuid: str) -> BuildView | ReadersBuildView:
        """Returns information about a build."""
        build = builds.find_build(self.session, build_uuid)
        if build is None:
            raise NotFound("Not Found")
        return self.show(build.repository, [build])[0]

    @operation("changeRepoBuildPrioritySuperUser", allow=fresh(superuser))
    def put(self, build_uuid: str, body: BuildPriority) -> BuildView | ReadersBuildView:
        """Let a build that waits pass others, or be passed."""
        build = builds.find_build(self.session, build_uuid)
        if build is None:
            raise NotFound("Not Found")
        build_queue.set_priority(self.session, build, body.priority, actor=self.caller)
        return self.show(build.repository, [build])[0]


@section.at("/superuser/namespaces/<namespace>/builds")
class NamespaceBuilds(_Builds):
    @operation("getNamespaceBuildsSuperUser", allow=fresh(superuser_over_namespace))
    def get(self, account: Account) -> ShareView:
        """Get how many builds of a namespace may run at once, and their priority."""
        return ShareView.model_validate(build_queue.share_of(self.session, account))

    @operation("changeNamespaceBuildsSuperUser", allow=fresh(superuser_over_namespace))
    def put(self, account: Account, body: Share) -> ShareView:
        """Set how many builds of a namespace may run at once, and the priority of those that wait and that come."""
        share = build_queue.set_share(
            self.session, account, max_running=body.max_running, priority=body.priority, actor=self.caller
        )
        return ShareView.model_validate(share)


@section.at("/superuser/<build_uuid>/status")
class AnyBuildStatus(_Builds):
    @operation("getRepoBuildStatusSuperUser", allow=fresh(superuser))
    def get(self, build_uuid: str) -> BuildView | ReadersBuildView:
        """Return the status for the builds specified by the build uuids."""
        build = self.any_build(build_uuid)
        return self.show(build.repository, [build])[0]


@section.at("/superuser/<build_uuid>/logs")
class AnyBuildLogs(_Builds):
    @operation("getRepoBuildLogsSuperUser", allow=fresh(superuser))
    def get(self, build_uuid: str, query: LogsQuery) -> ArchivedLogsView | LogsView:
        """Return the build logs for the build specified by the build uuid."""
        return self.logs_of(self.any_build(build_uuid), query.start, _archive(build_uuid))


@section.at("/superuser/<build_uuid>/logs/archive")
class AnyBuildArchive(_Builds):
    @operation("getRepoBuildLogsArchiveSuperUser", allow=fresh(superuser))
    def get(self, build_uuid: str, query: LogsQuery) -> ArchivedLogsView | LogsView:
        """Return the log of a build that has ended, once it is archived."""
        build = self.any_build(build_uuid)
        if build.job.logs_path is None:
            raise NotFound("Not Found")
        return self.logs_of(build, query.start, _archive(build_uuid))


def _archive(uuid: str) -> str:
    return f"{PREFIX}/superuser/{uuid}/logs/archive"
