"""Look at builds of any repository, as an administrator of the installation."""

from api.endpoint import Section, operation
from api.rules import fresh, superuser
from api.v1.builds import (
    ArchivedLogsView,
    BuildsResource,
    BuildView,
    LogsQuery,
    LogsView,
    ReadersBuildView,
)
from api.v1.discovery import PREFIX
from models import builds
from models.errors import Invalid, NotFound
from models.tables import Build

section = Section("superuser", __doc__, needs=["FEATURE_BUILD_SUPPORT"])


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
