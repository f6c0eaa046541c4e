"""List, set and delete logins at other registries, which builds pull base images with."""

from typing import Annotated

from pydantic import Field

from api.endpoint import Body, Resource, Section, View, operation
from api.rules import org_admin, repo_admin, user_admin
from api.v1.views import iso_date
from models import registry_credentials
from models.registry_credentials import LONGEST_PASSWORD, LONGEST_USERNAME
from models.tables import Account, Organization, RegistryCredential, Repository, User

section = Section("registrycredential", __doc__, needs=["FEATURE_BUILD_SUPPORT"])


class RegistryLogin(Body):
    """A user name and a password or token, as `docker login` takes them."""

    username: Annotated[str, Field(max_length=LONGEST_USERNAME)]
    password: Annotated[str, Field(max_length=LONGEST_PASSWORD, description="Encrypted, and never shown again.")]


class RegistryCredentialView(View):
    """Without the password, which nobody is shown."""

    registry: str
    username: str
    changed: str
    changed_by: str | None


class RegistryCredentialsView(View):
    credentials: list[RegistryCredentialView]


class _Credentials(Resource):
    """What the operations for organizations, users and repositories share."""

    def list_of(self, namespace: Account, repository: Repository | None = None) -> RegistryCredentialsView:
        found = registry_credentials.list_credentials(self.session, namespace, repository)
        return RegistryCredentialsView(credentials=[_view(each) for each in found])

    def store(
        self, host: str, body: RegistryLogin, namespace: Account, repository: Repository | None = None
    ) -> RegistryCredentialView:
        made = registry_credentials.put_credential(
            self.session,
            namespace,
            repository,
            host,
            username=body.username,
            password=body.password,
            own=[self.settings.SERVER_HOSTNAME, self.settings.BUILD_REGISTRY_HOSTNAME],
            actor=self.caller,
        )
        return _view(made)

    def remove(self, host: str, namespace: Account, repository: Repository | None = None) -> None:
        registry_credentials.remove_credential(self.session, namespace, repository, host, actor=self.caller)


@section.at("/organization/<orgname>/registrycredential/")
class OrganizationRegistryCredentials(_Credentials):
    @operation("listOrganizationRegistryCredentials", allow=org_admin)
    def get(self, organization: Organization) -> RegistryCredentialsView:
        """List the logins at other registries that builds in the organization use."""
        return self.list_of(organization)


@section.at("/organization/<orgname>/registrycredential/<registry_host>")
class OrganizationRegistryCredential(_Credentials):
    @operation("putOrganizationRegistryCredential", allow=org_admin)
    def put(self, organization: Organization, registry_host: str, body: RegistryLogin) -> RegistryCredentialView:
        """Set the login at a registry for builds in the organization."""
        return self.store(registry_host, body, organization)

    @operation("deleteOrganizationRegistryCredential", allow=org_admin)
    def delete(self, organization: Organization, registry_host: str) -> None:
        """Delete the login at a registry of the organization."""
        self.remove(registry_host, organization)


@section.at("/user/registrycredential/")
class UserRegistryCredentials(_Credentials):
    @operation("listUserRegistryCredentials", allow=user_admin)
    def get(self, user: User) -> RegistryCredentialsView:
        """List the logins at other registries that builds in the user's repositories use."""
        return self.list_of(user)


@section.at("/user/registrycredential/<registry_host>")
class UserRegistryCredential(_Credentials):
    @operation("putUserRegistryCredential", allow=user_admin)
    def put(self, user: User, registry_host: str, body: RegistryLogin) -> RegistryCredentialView:
        """Set the login at a registry for builds in the user's repositories."""
        return self.store(registry_host, body, user)

    @operation("deleteUserRegistryCredential", allow=user_admin)
    def delete(self, user: User, registry_host: str) -> None:
        """Delete the user's login at a registry."""
        self.remove(registry_host, user)


@section.at("/repository/<repopath:repository>/registrycredential/")
class RepositoryRegistryCredentials(_Credentials):
    @operation("listRepositoryRegistryCredentials", allow=repo_admin)
    def get(self, repository: Repository) -> RegistryCredentialsView:
        """List the repository's own logins at other registries."""
        return self.list_of(repository.namespace, repository)


@section.at("/repository/<repopath:repository>/registrycredential/<registry_host>")
class RepositoryRegistryCredential(_Credentials):
    @operation("putRepositoryRegistryCredential", allow=repo_admin)
    def put(self, repository: Repository, registry_host: str, body: RegistryLogin) -> RegistryCredentialView:
        """Set the login at a registry for builds of the repository, in place of its namespace's."""
        return self.store(registry_host, body, repository.namespace, repository)

    @operation("deleteRepositoryRegistryCredential", allow=repo_admin)
    def delete(self, repository: Repository, registry_host: str) -> None:
        """Delete the repository's login at a registry."""
        self.remove(registry_host, repository.namespace, repository)


def _view(credential: RegistryCredential) -> RegistryCredentialView:
    return RegistryCredentialView(
        registry=credential.host,
        username=credential.username,
        changed=iso_date(credential.changed_at),
        changed_by=credential.changed_by,
    )
