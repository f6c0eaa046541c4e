"""List, create and manage policies that make tags immutable, of organizations and repositories."""

from pydantic import Field

from api.endpoint import Body, Resource, Section, View, operation
from api.rules import org_admin, repo_admin
from models import immutability_policies as policies
from models.tables import Account, ImmutabilityPolicy, Organization, Repository

section = Section("immutability_policy", __doc__)


class ImmutabilityPolicyConfig(Body):
    tag_pattern: str = Field(alias="tagPattern", description="A regular expression for the beginning of tags' names")
    tag_pattern_matches: bool = Field(
        True, alias="tagPatternMatches", description="Whether tags that match are immutable, or all others"
    )


class ImmutabilityPolicyView(View):
    uuid: str
    tag_pattern: str = Field(serialization_alias="tagPattern")
    tag_pattern_matches: bool = Field(serialization_alias="tagPatternMatches")


class ImmutabilityPoliciesView(View):
    policies: list[ImmutabilityPolicyView]


class PolicyUuidView(View):
    uuid: str


class _Policies(Resource):
    """What the operations for organizations and repositories share."""

    def list_of(self, namespace: Account, repository: Repository | None) -> ImmutabilityPoliciesView:
        found = policies.list_policies(self.session, namespace, repository)
        return ImmutabilityPoliciesView(policies=[ImmutabilityPolicyView.model_validate(policy) for policy in found])

    def create(
        self, namespace: Account, repository: Repository | None, body: ImmutabilityPolicyConfig
    ) -> PolicyUuidView:
        policy = policies.create_policy(
            self.session,
            namespace,
            repository,
            body.tag_pattern,
            matches=body.tag_pattern_matches,
            actor=self.caller,
        )
        return PolicyUuidView(uuid=policy.uuid)

    def policy(self, namespace: Account, repository: Repository | None, uuid: str) -> ImmutabilityPolicy:
        return policies.get_policy(self.session, namespace, repository, uuid)

    def change(
        self, namespace: Account, repository: Repository | None, uuid: str, body: ImmutabilityPolicyConfig
    ) -> None:
        policies.change_policy(
            self.session,
            namespace,
            repository,
            self.policy(namespace, repository, uuid),
            body.tag_pattern,
            matches=body.tag_pattern_matches,
            actor=self.caller,
        )

    def remove(self, namespace: Account, repository: Repository | None, uuid: str) -> PolicyUuidView:
        policy = self.policy(namespace, repository, uuid)
        policies.remove_policy(self.session, namespace, repository, policy, actor=self.caller)
        return PolicyUuidView(uuid=uuid)


@section.at("/organization/<orgname>/immutabilitypolicy/")
class OrganizationImmutabilityPolicies(_Policies):
    @operation("listOrgImmutabilityPolicies", allow=org_admin)
    def get(self, organization: Organization) -> ImmutabilityPoliciesView:
        """List the immutability policies of the organization, which count in all of its repositories."""
        return self.list_of(organization, None)

    @operation("createOrgImmutabilityPolicy", allow=org_admin, status=201)
    def post(self, organization: Organization, body: ImmutabilityPolicyConfig) -> PolicyUuidView:
        """Create an immutability policy for all repositories of the organization."""
        return self.create(organization, None, body)


@section.at("/organization/<orgname>/immutabilitypolicy/<policy_uuid>")
class OrganizationImmutabilityPolicy(_Policies):
    @operation("getOrgImmutabilityPolicy", allow=org_admin)
    def get(self, organization: Organization, policy_uuid: str) -> ImmutabilityPolicyView:
        """Show an immutability policy of the organization."""
        return ImmutabilityPolicyView.model_validate(self.policy(organization, None, policy_uuid))

    @operation("updateOrgImmutabilityPolicy", allow=org_admin)
    def put(self, organization: Organization, policy_uuid: str, body: ImmutabilityPolicyConfig) -> None:
        """Change an immutability policy of the organization; tags that are immutable stay so."""
        self.change(organization, None, policy_uuid, body)

    @operation("deleteOrgImmutabilityPolicy", allow=org_admin)
    def delete(self, organization: Organization, policy_uuid: str) -> PolicyUuidView:
        """Delete an immutability policy of the organization; tags that are immutable stay so."""
        return self.remove(organization, None, policy_uuid)


@section.at("/repository/<repopath:repository>/immutabilitypolicy/")
class RepositoryImmutabilityPolicies(_Policies):
    @operation("listRepositoryImmutabilityPolicies", allow=repo_admin)
    def get(self, repository: Repository) -> ImmutabilityPoliciesView:
        """List the immutability policies of the repository itself."""
        return self.list_of(repository.namespace, repository)

    @operation("createRepositoryImmutabilityPolicy", allow=repo_admin, status=201)
    def post(self, repository: Repository, body: ImmutabilityPolicyConfig) -> PolicyUuidView:
        """Create an immutability policy for the repository."""
        return self.create(repository.namespace, repository, body)


@section.at("/repository/<repopath:repository>/immutabilitypolicy/<policy_uuid>")
class RepositoryImmutabilityPolicy(_Policies):
    @operation("getRepositoryImmutabilityPolicy", allow=repo_admin)
    def get(self, repository: Repository, policy_uuid: str) -> ImmutabilityPolicyView:
        """Show an immutability policy of the repository."""
        return ImmutabilityPolicyView.model_validate(self.policy(repository.namespace, repository, policy_uuid))

    @operation("updateRepositoryImmutabilityPolicy", allow=repo_admin)
    def put(self, repository: Repository, policy_uuid: str, body: ImmutabilityPolicyConfig) -> None:
        """Change an immutability policy of the repository; tags that are immutable stay so."""
        self.change(repository.namespace, repository, policy_uuid, body)

    @operation("deleteRepositoryImmutabilityPolicy", allow=repo_admin)
    def delete(self, repository: Repository, policy_uuid: str) -> PolicyUuidView:
        """Delete an immutability policy of the repository; tags that are immutable stay so."""
        return self.remove(repository.namespace, repository, policy_uuid)
