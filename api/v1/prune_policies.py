"""List, create and manage policies by which tags end by themselves, of organizations, users and repositories."""

from pydantic import Field

from api.endpoint import Body, Resource, Section, View, operation
from api.rules import org_admin, repo_admin, user_admin
from models import prune_policies as policies
from models.prune_policies import Config
from models.tables import Account, Organization, PrunePolicy, Repository, User
from models.tables.policies import PruneMethod

section = Section("policy", __doc__, needs=["FEATURE_AUTO_PRUNE"])


class AutoPrunePolicyConfig(Body):
    method: str = Field(description="`number_of_tags`: the newest stay; `creation_date`: those of some age end")
    value: int | str = Field(description="How many tags stay, such as 10; or from which age on tags end, such as `7d`")
    tag_pattern: str | None = Field(
        None, alias="tagPattern", description="Only for tags in whose names this regular expression is found"
    )
    tag_pattern_matches: bool = Field(
        True, alias="tagPatternMatches", description="If false, only for tags in whose names it is not found"
    )

    @property
    def config(self) -> Config:
        return Config(self.method, self.value, self.tag_pattern, self.tag_pattern_matches)


class AutoPrunePolicyView(View):
    uuid: str
    method: PruneMethod
    value: int | str
    tag_pattern: str | None = Field(serialization_alias="tagPattern")
    tag_pattern_matches: bool = Field(serialization_alias="tagPatternMatches")


class AutoPrunePoliciesView(View):
    policies: list[AutoPrunePolicyView]


class PolicyIdView(View):
    uuid: str


class _Policies(Resource):
    """What the operations for organizations, users and repositories share."""

    def list_of(self, namespace: Account, repository: Repository | None = None) -> AutoPrunePoliciesView:
        found = policies.list_policies(self.session, namespace, repository)
        return AutoPrunePoliciesView(policies=[_view(policy) for policy in found])

    def show(self, uuid: str, namespace: Account, repository: Repository | None = None) -> AutoPrunePolicyView:
        return _view(policies.get_policy(self.session, namespace, repository, uuid))

    def create(
        self, body: AutoPrunePolicyConfig, namespace: Account, repository: Repository | None = None
    ) -> PolicyIdView:
        policy = policies.create_policy(self.session, namespace, repository, body.config, actor=self.caller)
        return PolicyIdView(uuid=policy.uuid)

    def change(
        self, uuid: str, body: AutoPrunePolicyConfig, namespace: Account, repository: Repository | None = None
    ) -> None:
        policy = policies.get_policy(self.session, namespace, repository, uuid)
        policies.change_policy(self.session, policy, namespace, repository, body.config, actor=self.caller)

    def remove(self, uuid: str, namespace: Account, repository: Repository | None = None) -> PolicyIdView:
        policy = policies.get_policy(self.session, namespace, repository, uuid)
        policies.remove_policy(self.session, policy, namespace, repository, actor=self.caller)
        return PolicyIdView(uuid=uuid)


@section.at("/organization/<orgname>/autoprunepolicy/")
class OrganizationAutoPrunePolicies(_Policies):
    @operation("listOrganizationAutoPrunePolicies", allow=org_admin)
    def get(self, organization: Organization) -> AutoPrunePoliciesView:
        """List the auto-prune policies for the organization, which count in all of its repositories."""
        return self.list_of(organization)

    @operation("createOrganizationAutoPrunePolicy", allow=org_admin, status=201)
    def post(self, organization: Organization, body: AutoPrunePolicyConfig) -> PolicyIdView:
        """Create an auto-prune policy for the organization."""
        return self.create(body, organization)


@section.at("/organization/<orgname>/autoprunepolicy/<policy_uuid>")
class OrganizationAutoPrunePolicy(_Policies):
    @operation("getOrganizationAutoPrunePolicy", allow=org_admin)
    def get(self, organization: Organization, policy_uuid: str) -> AutoPrunePolicyView:
        """Show an auto-prune policy of the organization."""
        return self.show(policy_uuid, organization)

    @operation("updateOrganizationAutoPrunePolicy", allow=org_admin)
    def put(self, organization: Organization, policy_uuid: str, body: AutoPrunePolicyConfig) -> None:
        """Change an auto-prune policy of the organization."""
        self.change(policy_uuid, body, organization)

    @operation("deleteOrganizationAutoPrunePolicy", allow=org_admin)
    def delete(self, organization: Organization, policy_uuid: str) -> PolicyIdView:
        """Delete an auto-prune policy of the organization."""
        return self.remove(policy_uuid, organization)


@section.at("/user/autoprunepolicy/")
class UserAutoPrunePolicies(_Policies):
    @operation("listUserAutoPrunePolicies", allow=user_admin)
    def get(self, user: User) -> AutoPrunePoliciesView:
        """List the auto-prune policies of the user who calls, which count in all repositories of the user's."""
        return self.list_of(user)

    @operation("createUserAutoPrunePolicy", allow=user_admin, status=201)
    def post(self, user: User, body: AutoPrunePolicyConfig) -> PolicyIdView:
        """Create an auto-prune policy for the user who calls."""
        return self.create(body, user)


@section.at("/user/autoprunepolicy/<policy_uuid>")
class UserAutoPrunePolicy(_Policies):
    @operation("getUserAutoPrunePolicy", allow=user_admin)
    def get(self, user: User, policy_uuid: str) -> AutoPrunePolicyView:
        """Show an auto-prune policy of the user who calls."""
        return self.show(policy_uuid, user)

    @operation("updateUserAutoPrunePolicy", allow=user_admin)
    def put(self, user: User, policy_uuid: str, body: AutoPrunePolicyConfig) -> None:
        """Change an auto-prune policy of the user who calls."""
        self.change(policy_uuid, body, user)

    @operation("deleteUserAutoPrunePolicy", allow=user_admin)
    def delete(self, user: User, policy_uuid: str) -> PolicyIdView:
        """Delete an auto-prune policy of the user who calls."""
        return self.remove(policy_uuid, user)


@section.at("/repository/<repopath:repository>/autoprunepolicy/")
class RepositoryAutoPrunePolicies(_Policies):
    @operation("listRepositoryAutoPrunePolicies", allow=repo_admin)
    def get(self, repository: Repository) -> AutoPrunePoliciesView:
        """List the auto-prune policies of the repository itself."""
        return self.list_of(repository.namespace, repository)

    @operation("createRepositoryAutoPrunePolicy", allow=repo_admin, status=201)
    def post(self, repository: Repository, body: AutoPrunePolicyConfig) -> PolicyIdView:
        """Create an auto-prune policy for the repository."""
        return self.create(body, repository.namespace, repository)


@section.at("/repository/<repopath:repository>/autoprunepolicy/<policy_uuid>")
class RepositoryAutoPrunePolicy(_Policies):
    @operation("getRepositoryAutoPrunePolicy", allow=repo_admin)
    def get(self, repository: Repository, policy_uuid: str) -> AutoPrunePolicyView:
        """Show an auto-prune policy of the repository."""
        return self.show(policy_uuid, repository.namespace, repository)

    @operation("updateRepositoryAutoPrunePolicy", allow=repo_admin)
    def put(self, repository: Repository, policy_uuid: str, body: AutoPrunePolicyConfig) -> None:
        """Change an auto-prune policy of the repository."""
        self.change(policy_uuid, body, repository.namespace, repository)

    @operation("deleteRepositoryAutoPrunePolicy", allow=repo_admin)
    def delete(self, repository: Repository, policy_uuid: str) -> PolicyIdView:
        """Delete an auto-prune policy of the repository."""
        return self.remove(policy_uuid, repository.namespace, repository)


def _view(policy: PrunePolicy) -> AutoPrunePolicyView:
    return AutoPrunePolicyView(
        uuid=policy.uuid,
        method=policy.method,
        value=policies.value_of(policy),
        tag_pattern=policy.tag_pattern,
        tag_pattern_matches=policy.tag_pattern_matches,
    )
