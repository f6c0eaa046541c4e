"""Create, list and manage build triggers."""

import logging
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from api.endpoint import NULL, Answer, Body, Query, Section, View, operation
from api.rules import repo_admin
from api.v1.builds import MOST_LISTED, BuildsResource, BuildsView, BuildView, ReadersBuildView, build_path
from api.v1.trigger_views import TriggerShow, TriggerView
from buildworker import look
from buildworker.forges import ForgeApi, Hook
from buildworker.git import GitFailed, Source
from buildworker.outbound import Outbound
from models import triggers
from models.errors import DomainError, Upstream
from models.session import Session
from models.tables import Repository, Trigger
from models.tables.triggers import Service
from models.trigger_config import git_url
from models.triggers import Registered

log = logging.getLogger(__name__)
section = Section("trigger", __doc__, needs=["FEATURE_BUILD_SUPPORT"])

Text = Annotated[str, Field(max_length=8192)]


class NewTrigger(Body):
    """A git repository whose pushes shall become images."""

    service: Service = Field(description="Where the git repository is; `custom-git` for any server.")
    config: dict[str, Any] = Field(
        default_factory=dict,
        description="`build_source` (`owner/name` on a forge, else the address), `dockerfile_path`, `context`, "
        "`branchtag_regex`, `default_tag_from_ref`, `latest_for_default_branch`, `tag_templates`, `submodules`; "
        "`base_url` for a forge of one's own.",
    )
    auth_token: Text | None = Field(
        None, description="Opens the forge's REST API, or the git server over https (`name:password` or a token)."
    )
    known_hosts: Text = Field(
        "", description="The keys of the git server, as ssh keeps them. None: the first one seen is believed."
    )


class TriggerSwitch(Body):
    enabled: bool = Field(description="Whether the trigger starts builds.")


class Activation(Body):
    config: dict[str, Any] = Field(description="What to build from, and how; `build_source` at least.")
    pull_robot: Text | None = Field(None, description="The robot whose credentials pull private base images.")


class RefChoice(Body):
    kind: Literal["branch", "tag"]
    name: Text


class RunParameters(Body):
    branch_name: Text | None = Field(None, description="The branch to build.")
    commit_sha: Text | None = Field(None, description="The commit to build, its hash or the beginning of it.")
    refs: Annotated[RefChoice | None, NULL] = Field(None, description="The branch or tag to build.")


class TriggerBuildsQuery(Query):
    limit: int = Field(5, ge=0, description="The maximum number of builds to return; 0: all that fit")


class TriggersView(View):
    triggers: list[TriggerView]


class TriggersResource(BuildsResource):
    """What the operations on triggers share: all of their callers administer the repository."""

    def views(self, shown: Sequence[Trigger]) -> list[TriggerView]:
        show = TriggerShow(self.session, self.settings, admin=True)
        return [show.view(trigger, alone=True) for trigger in shown]

    def source_of(self, session: Session, trigger: Trigger) -> Source:
        return Source(
            git_url(trigger.service, trigger.config),
            triggers.private_key(session, trigger),
            triggers.auth_token(session, trigger),
            trigger.known_hosts,
        )

    def forge(self, trigger: Trigger, config: Mapping[str, Any], auth_token: str) -> ForgeApi | None:
        """The trigger's forge, if it is one and there is a token for it."""
        if trigger.service == "custom-git" or not auth_token:
            return None
        return ForgeApi(self.outbound(), trigger.service, config, auth_token)

    def outbound(self) -> Outbound:
        return Outbound(self.settings.OUTBOUND_ALLOWED_PRIVATE_HOSTS)


@section.at("/repository/<repopath:repository>/trigger/")
class RepositoryTriggers(TriggersResource):
    @operation("listBuildTriggers", allow=repo_admin)
    def get(self, repository: Repository) -> TriggersView:
        """List the triggers for the specified repository."""
        return TriggersView(triggers=self.views(triggers.list_triggers(self.session, repository)))

    @operation("createBuildTrigger", allow=repo_admin, status=201)
    def post(self, repository: Repository, body: NewTrigger) -> TriggerView:
        """Create a build trigger.

        It waits to be activated. Drydock's own: Quay makes triggers in a browser only.
        """
        trigger = triggers.create_trigger(
            self.session,
            repository,
            body.service,
            body.config,
            auth_token=body.auth_token,
            known_hosts=body.known_hosts,
            actor=self.caller,
        )
        return self.views([trigger])[0]


@section.at("/repository/<repopath:repository>/trigger/<trigger_uuid>")
class RepositoryTrigger(TriggersResource):
    @operation("getBuildTrigger", allow=repo_admin)
    def get(self, repository: Repository, trigger_uuid: str) -> TriggerView:
        """Get information for the specified build trigger."""
        return self.views([triggers.get_trigger(self.session, repository, trigger_uuid)])[0]

    @operation("updateBuildTrigger", allow=repo_admin)
    def put(self, repository: Repository, trigger_uuid: str, body: TriggerSwitch) -> TriggerView:
        """Updates the specified build trigger.

        The answer leaves out what it builds from, as Quay's does.
        """
        trigger = triggers.get_trigger(self.session, repository, trigger_uuid)
        triggers.toggle_trigger(self.session, trigger, enabled=body.enabled, actor=self.caller)
        return TriggerShow(self.session, self.settings, admin=False).view(trigger)

    @operation("deleteBuildTrigger", allow=repo_admin, waits=True)
    def delete(self, repository: Repository, trigger_uuid: str) -> None:
        """Delete the specified build trigger.

        Its hook and key are taken away from the forge; a forge that does not let them go does not keep the trigger.
        """
        with self.services.database.read() as session:
            trigger = triggers.get_trigger(session, repository, trigger_uuid)
            forge = self.forge(trigger, trigger.config, triggers.auth_token(session, trigger))
        made = triggers.registered_of(trigger)
        with self.writing() as session:
            triggers.remove_trigger(session, triggers.get_trigger(session, repository, trigger_uuid), actor=self.caller)
        if forge is not None:
            try:
                forge.unregister(made)
            except DomainError as exc:
                log.warning("hook or key of trigger %s stay at the forge: %s", trigger_uuid, exc.detail)


@section.at("/repository/<repopath:repository>/trigger/<trigger_uuid>/activate")
class TriggerActivation(TriggersResource):
    @operation("activateBuildTrigger", allow=repo_admin, waits=True)
    def post(self, repository: Repository, trigger_uuid: str, body: Activation) -> TriggerView:
        """Activate the specified build trigger.

        With an `auth_token`, hook and deploy key are registered at the forge; without, or for custom git, the answer's
        `credentials` say what to enter there by hand.
        """
        with self.services.database.read() as session:
            trigger = triggers.get_trigger(session, repository, trigger_uuid)
            config = triggers.check_activation(session, trigger, body.config, body.pull_robot, actor=self.caller)
            secrets = triggers.opened(session, trigger)
        forge = self.forge(trigger, config, secrets.auth_token)
        made = Registered()
        if forge is not None:
            hook = Hook(f"{self.settings.url}/webhooks/push/trigger/{trigger.uuid}", secrets.hook_secret)
            made = forge.register(f"{self.settings.REGISTRY_TITLE}: {repository.path}", secrets.public_key, hook)
        try:
            return self._activate(repository, trigger_uuid, body, made)
        except DomainError:
            if forge is not None:
                forge.unregister(made)
            raise

    def _activate(self, repository: Repository, uuid: str, body: Activation, made: Registered) -> TriggerView:
        with self.writing() as session:
            trigger = triggers.get_trigger(session, repository, uuid)
            triggers.activate_trigger(session, trigger, body.config, body.pull_robot, made, actor=self.caller)
            return self.views([trigger])[0]


@section.at("/repository/<repopath:repository>/trigger/<trigger_uuid>/builds")
class TriggerBuilds(TriggersResource):
    @operation("listTriggerRecentBuilds", allow=repo_admin)
    def get(self, repository: Repository, trigger_uuid: str, query: TriggerBuildsQuery) -> BuildsView:
        """List the builds started by the specified trigger."""
        found = triggers.list_trigger_builds(
            self.session, repository, trigger_uuid, limit=min(query.limit or MOST_LISTED, MOST_LISTED)
        )
        return BuildsView(builds=self.show(repository, found))


@section.at("/repository/<repopath:repository>/trigger/<trigger_uuid>/start")
class TriggerStart(TriggersResource):
    @operation("manuallyStartBuildTrigger", allow=repo_admin, status=201, waits=True)
    def post(
        self, repository: Repository, trigger_uuid: str, body: RunParameters
    ) -> Answer[BuildView | ReadersBuildView]:
        """Manually start a build from the specified trigger."""
        with self.services.database.read() as session:
            trigger = triggers.get_trigger(session, repository, trigger_uuid)
            triggers.check_startable(trigger)
            source = self.source_of(session, trigger)
        metadata = self.metadata(trigger, source, body)
        with self.writing() as session:
            build = triggers.start_trigger(
                session,
                triggers.get_trigger(session, repository, trigger_uuid),
                metadata,
                actor=self.caller,
                manual=True,
                limit=self.settings.DEFAULT_NAMESPACE_MAXIMUM_BUILD_COUNT,
            )
            return Answer(self.show(build.repository, [build])[0], {"Location": f"{build_path(build)}/status"})

    def metadata(self, trigger: Trigger, source: Source, wanted: RunParameters) -> dict[str, Any]:
        """What is to be built: the commit given, or what the branch or tag names now."""
        if wanted.commit_sha is not None or trigger.service == "custom-git":
            return {"commit": triggers.manual_commit(wanted.commit_sha), "git_url": source.url}
        try:
            refs = look.refs(self.outbound(), source)
        except GitFailed as exc:
            raise Upstream(exc.detail) from exc
        kind, name = (wanted.refs.kind, wanted.refs.name) if wanted.refs else ("branch", wanted.branch_name)
        name = name or refs.default or "main"
        ref = f"refs/{'heads' if kind == 'branch' else 'tags'}/{name}"
        told = {"commit": refs.commit(kind, name), "ref": ref, "git_url": source.url, "default_branch": refs.default}
        return {key: value for key, value in told.items() if value}
