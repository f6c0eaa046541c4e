"""Manage the tokens of a repository, with which scripts sign in to it as `$token`."""

from collections.abc import Mapping

from pydantic import Field

from api.endpoint import Body, Resource, Section, View, operation
from api.rules import repo_admin
from models import repository_tokens
from models.tables import Repository, RepositoryToken
from models.tables.repositories import RepositoryRole

section = Section("repotoken", __doc__)


class NewToken(Body):
    friendly_name: str = Field(alias="friendlyName", max_length=255, description="What the token is for")


class TokenPermission(Body):
    role: RepositoryRole = Field(description="What the token may do in the repository")


class TokenView(View):
    """A token; `code` is the password that goes with the user name `$token`."""

    friendly_name: str = Field(serialization_alias="friendlyName")
    code: str
    role: RepositoryRole


class TokensView(View):
    tokens: Mapping[str, TokenView] = Field(description="By code")


class _Tokens(Resource):
    def show(self, token: RepositoryToken) -> TokenView:
        code = repository_tokens.code_of(self.session, token)
        return TokenView(friendly_name=token.friendly_name, code=code, role=token.role)


@section.at("/repository/<repopath:repository>/tokens/")
class RepositoryTokens(_Tokens):
    @operation("listRepoTokens", allow=repo_admin)
    def get(self, repository: Repository) -> TokensView:
        """List the tokens for the specified repository."""
        shown = [self.show(each) for each in repository_tokens.list_repository_tokens(self.session, repository)]
        return TokensView(tokens={token.code: token for token in shown})

    @operation("createToken", allow=repo_admin, status=201)
    def post(self, repository: Repository, body: NewToken) -> TokenView:
        """Create a new repository token, which may read until it is changed."""
        token, _ = repository_tokens.create_repository_token(
            self.session, repository, body.friendly_name, "read", shown_again=True, actor=self.caller
        )
        return self.show(token)


@section.at("/repository/<repopath:repository>/tokens/<code>")
class SingleRepositoryToken(_Tokens):
    @operation("getTokens", allow=repo_admin)
    def get(self, repository: Repository, code: str) -> TokenView:
        """Fetch the specified repository token information."""
        return self.show(repository_tokens.get_repository_token(self.session, repository, code))

    @operation("changeToken", allow=repo_admin)
    def put(self, repository: Repository, code: str, body: TokenPermission) -> TokenView:
        """Update the permissions for the specified repository token."""
        token = repository_tokens.get_repository_token(self.session, repository, code)
        repository_tokens.change_role(self.session, repository, token, body.role, actor=self.caller)
        return self.show(token)

    @operation("deleteToken", allow=repo_admin)
    def delete(self, repository: Repository, code: str) -> None:
        """Delete the repository token."""
        token = repository_tokens.get_repository_token(self.session, repository, code)
        repository_tokens.remove_repository_token(self.session, repository, token, actor=self.caller)
