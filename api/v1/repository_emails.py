"""Authorize repository to send e-mail notifications."""

from api.endpoint import Resource, Section, View, operation
from api.rules import repo_admin
from models import repository_emails
from models.errors import NotFound
from models.tables import Repository, RepositoryEmail

section = Section("repoemail", __doc__, needs=["FEATURE_MAILING"])


class RepositoryEmailView(View):
    email: str
    repository: str
    namespace: str
    confirmed: bool


@section.at("/repository/<repopath:repository>/authorizedemail/<email>")
class RepositoryAuthorizedEmail(Resource):
    @operation("checkRepoEmailAuthorized", allow=repo_admin)
    def get(self, repository: Repository, email: str) -> RepositoryEmailView:
        """Checks to see if the given e-mail address is authorized on this repository."""
        row = repository_emails.find_email(self.session, repository, email)
        if row is None:
            raise NotFound("Not Found")
        return _view(repository, row)

    @operation("sendAuthorizeRepoEmail", allow=repo_admin)
    def post(self, repository: Repository, email: str) -> RepositoryEmailView:
        """Starts the authorization process for an e-mail address on a repository."""
        row = repository_emails.ask(self.session, self.settings, repository, email, actor=self.caller)
        return _view(repository, row)


def _view(repository: Repository, row: RepositoryEmail) -> RepositoryEmailView:
    return RepositoryEmailView(
        email=row.email, repository=repository.name, namespace=repository.namespace.name, confirmed=row.confirmed
    )
