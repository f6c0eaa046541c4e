"""What a trigger's git repository has to offer: branches and tags, Dockerfiles, and whether they can be built."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Literal

from pydantic import Field

from api.endpoint import Body, Section, View, operation
from api.rules import repo_admin
from api.v1.triggers import TriggersResource
from api.v1.views import Sparse
from buildworker import look
from buildworker.dockerfile import base_images
from buildworker.forges import ForgeApi
from buildworker.git import GitFailed, Source
from models import trigger_checks, triggers
from models.errors import Invalid, NotFound, Upstream
from models.tables import Repository, Trigger
from models.trigger_config import checked, git_url

section = Section("trigger", __doc__, needs=["FEATURE_BUILD_SUPPORT"])

_MOST_LISTED = 1000
Found = Literal["success", "error"]


class SourceConfig(Body):
    """The configuration that a trigger might get."""

    model_config = Body.model_config | {"extra": "allow"}

    build_source: str | None = None


class AnalyzeBody(Body):
    config: dict[str, Any]


class RefView(View):
    kind: Literal["branch", "tag"]
    name: str


class FieldValues(View):
    values: list[RefView] | list[str]


class DockerfilesView(View):
    """The Dockerfiles that were found, and the contexts that go with each."""

    status: Found
    dockerfile_paths: Sparse[list[str]] = None
    contextMap: Sparse[dict[str, list[str]]] = None  # noqa: N815 - Quay's name
    message: Sparse[str] = None


class RobotChoice(View):
    name: str
    kind: Literal["user"] = "user"
    is_robot: Literal[True] = True
    can_read: bool


class Analysis(View):
    """`requiresrobot`: the base image is private, and one of `robots` may be able to read it."""

    status: Literal["analyzed", "publicbase", "requiresrobot", "warning", "error"]
    namespace: str
    name: str
    is_admin: bool
    robots: list[RobotChoice]
    message: str | None


class SourcesBody(Body):
    namespace: str = Field(max_length=512, description="The forge's user or organization")


class NamespaceView(View):
    id: str
    title: str
    url: str
    avatar_url: str | None
    personal: bool
    score: float = 0.0


class NamespacesView(View):
    namespaces: list[NamespaceView]


class SourceView(View):
    name: str
    full_name: str
    description: str | None
    url: str
    private: bool
    last_updated: str | None
    has_admin_permissions: bool


class SourcesView(View):
    sources: list[SourceView]


class _Sources(TriggersResource):
    """What the operations that look into the repository share."""

    def look_at(self, repository: Repository, uuid: str, config: dict[str, Any]) -> tuple[Trigger, Source]:
        """The trigger, and the source that it has or, given `config`, would have."""
        with self.services.database.read() as session:
            trigger = triggers.get_trigger(session, repository, uuid)
            whole = checked(trigger.service, {**trigger.config, **config})
            if not whole.get("build_source"):
                raise Invalid("build_source: this field is required")
            source = self.source_of(session, trigger)
        # What opens the trigger's own repository is shown to no other server.
        url = git_url(trigger.service, whole)
        return trigger, source if url == source.url else Source(url, private_key=source.private_key)

    def forge_of(self, repository: Repository, uuid: str) -> ForgeApi:
        """The trigger's forge; Invalid if it has none that could be asked."""
        with self.services.database.read() as session:
            trigger = triggers.get_trigger(session, repository, uuid)
            forge = self.forge(trigger, trigger.config, triggers.auth_token(session, trigger))
        if forge is None:
            raise Invalid("Only a forge that the trigger has an auth_token for can list its repositories")
        return forge

    @contextmanager
    def files(self, source: Source) -> Iterator[look.Files]:
        with look.files(self.outbound(), source) as found:
            yield found


@section.at("/repository/<repopath:repository>/trigger/<trigger_uuid>/fields/<field_name>")
class TriggerFields(_Sources):
    @operation("listTriggerFieldValues", allow=repo_admin, waits=True)
    def post(
        self, repository: Repository, trigger_uuid: str, field_name: str, body: SourceConfig | None
    ) -> FieldValues:
        """List the field values for a custom run field: `refs`, `branch_name` or `tag_name`."""
        if field_name not in {"refs", "branch_name", "tag_name"}:
            raise NotFound("Not Found")
        _, source = self.look_at(repository, trigger_uuid, _given(body))
        try:
            refs = look.refs(self.outbound(), source)
        except GitFailed as exc:
            raise Upstream(exc.detail) from exc
        if field_name == "refs":
            branches = [RefView(kind="branch", name=name) for name in refs.branches]
            return FieldValues(values=branches + [RefView(kind="tag", name=name) for name in refs.tags])
        return FieldValues(values=list(refs.branches if field_name == "branch_name" else refs.tags))


@section.at("/repository/<repopath:repository>/trigger/<trigger_uuid>/subdir")
class TriggerSubdirs(_Sources):
    @operation("listBuildTriggerSubdirs", allow=repo_admin, waits=True)
    def post(self, repository: Repository, trigger_uuid: str, body: SourceConfig | None) -> DockerfilesView:
        """List the subdirectories available for the specified build trigger and source."""
        _, source = self.look_at(repository, trigger_uuid, _given(body))
        try:
            with self.files(source) as found:
                paths = found.dockerfiles()[:_MOST_LISTED]
        except (GitFailed, Upstream, Invalid) as exc:
            return DockerfilesView(status="error", message=exc.detail)
        contexts = {path: look.contexts(path) for path in paths}
        return DockerfilesView(status="success", dockerfile_paths=paths, contextMap=contexts)


@section.at("/repository/<repopath:repository>/trigger/<trigger_uuid>/analyze")
class TriggerAnalysis(_Sources):
    @operation("analyzeBuildTrigger", allow=repo_admin, waits=True)
    def post(self, repository: Repository, trigger_uuid: str, body: AnalyzeBody) -> Analysis:
        """Analyze the specified build trigger configuration: is the Dockerfile there, and can its base be pulled?"""
        trigger, source = self.look_at(repository, trigger_uuid, body.config)
        path = str({**trigger.config, **body.config}.get("dockerfile_path") or "/Dockerfile")
        images: list[str] = []
        problem = None
        try:
            with self.files(source) as found:
                if path not in found.dockerfiles():
                    problem = f"Could not find the Dockerfile {path} in the repository"
                else:
                    images = base_images(found.text(path))
        except (GitFailed, Upstream, Invalid) as exc:
            problem = exc.detail
        with self.services.database.read() as session:
            hosts = {self.settings.SERVER_HOSTNAME, self.settings.BUILD_REGISTRY_HOSTNAME}
            base = trigger_checks.judge_base(session, repository, images, hosts=hosts, caller=self.caller)
        return Analysis(
            status="error" if problem else base.status,
            namespace=repository.namespace.name,
            name=repository.name,
            is_admin=base.is_admin,
            robots=[RobotChoice(name=robot, can_read=can_read) for robot, can_read in base.robots],
            message=problem or base.message,
        )


@section.at("/repository/<repopath:repository>/trigger/<trigger_uuid>/namespaces")
class TriggerNamespaces(_Sources):
    @operation("listTriggerBuildSourceNamespaces", allow=repo_admin, waits=True)
    def get(self, repository: Repository, trigger_uuid: str) -> NamespacesView:
        """List the build sources for the trigger configuration thus far: the forge's users and organizations."""
        forge = self.forge_of(repository, trigger_uuid)
        return NamespacesView(namespaces=[NamespaceView.model_validate(each) for each in forge.namespaces()])


@section.at("/repository/<repopath:repository>/trigger/<trigger_uuid>/sources")
class TriggerSources(_Sources):
    @operation("listTriggerBuildSources", allow=repo_admin, waits=True)
    def post(self, repository: Repository, trigger_uuid: str, body: SourcesBody) -> SourcesView:
        """List the build sources for the trigger configuration thus far: the repositories of a namespace."""
        forge = self.forge_of(repository, trigger_uuid)
        found = forge.sources(body.namespace)
        return SourcesView(sources=[SourceView(**asdict(each), has_admin_permissions=each.admin) for each in found])


def _given(body: SourceConfig | None) -> dict[str, Any]:
    return body.model_dump(exclude_none=True) if body else {}
