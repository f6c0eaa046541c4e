"""Have the logs of organizations, repositories and users written to a file."""

from pydantic import Field

from api.endpoint import Body, Resource, Section, View, operation
from api.rules import org_admin, repo_admin, user_admin
from api.v1.logs import PeriodQuery
from models import log_exports
from models.log_exports import Wish
from models.tables import Account, Organization, Repository, User

section = Section("logs", __doc__, needs=["FEATURE_LOG_EXPORT"])


class ExportRequest(Body):
    """Whom to tell when the file is there, or why it is not."""

    callback_url: str | None = Field(
        None, max_length=8192, description="The address that a link to the file is sent to"
    )
    callback_email: str | None = Field(
        None, max_length=255, description="The mail address that a link is sent to, where FEATURE_MAILING is set"
    )


class ExportView(View):
    """`exported_data_url`: the link itself; answered with status 202 until the file is there."""

    export_id: str
    exported_data_url: str


class _Exports(Resource):
    def queue(
        self, query: PeriodQuery, body: ExportRequest, namespace: Account, repository: Repository | None = None
    ) -> ExportView:
        start, end = query.period()
        wish = Wish(namespace, repository, start, end, body.callback_url, body.callback_email)
        export = log_exports.queue_export(self.session, self.settings, wish, actor=self.caller)
        return ExportView(export_id=export.uuid, exported_data_url=log_exports.link(self.settings, export.uuid))


@section.at("/repository/<repopath:repository>/exportlogs")
class ExportRepositoryLogs(_Exports):
    @operation("exportRepoLogs", allow=repo_admin)
    def post(self, repository: Repository, query: PeriodQuery, body: ExportRequest) -> ExportView:
        """Queues an export of the logs for the specified repository."""
        return self.queue(query, body, repository.namespace, repository)


@section.at("/organization/<orgname>/exportlogs")
class ExportOrganizationLogs(_Exports):
    @operation("exportOrgLogs", allow=org_admin)
    def post(self, organization: Organization, query: PeriodQuery, body: ExportRequest) -> ExportView:
        """Exports the logs for the specified organization."""
        return self.queue(query, body, organization)


@section.at("/user/exportlogs")
class ExportUserLogs(_Exports):
    @operation("exportUserLogs", allow=user_admin)
    def post(self, user: User, query: PeriodQuery, body: ExportRequest) -> ExportView:
        """Exports the logs for the current user."""
        return self.queue(query, body, user)
