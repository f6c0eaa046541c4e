"""Access usage logs for organizations or repositories."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from api.endpoint import Query, Resource, Section, View, operation
from api.rules import fresh, org_admin, repo_admin, superuser, user_admin
from api.v1.paging import next_page, page_start
from api.v1.superusers import section as superuser_section
from api.v1.views import AvatarView, Moment, Sparse, avatar_of
from models import logs
from models.access import find_namespace, find_repository
from models.errors import Invalid
from models.log_counts import counts_by_day, midnight
from models.logs import SERVICE_KINDS, Search
from models.tables import Account, LogEntry, Organization, Repository, User
from models.tables.base import now
from models.tables.logs import LogSubject

section = Section("logs", __doc__)

PAGE = 20
DAY = timedelta(days=1)
MOST_DAYS = 366
"""Days whose entries are counted in one answer."""


def _read_day(text: str) -> datetime:
    """The beginning of a day; ValueError."""
    try:
        day = datetime.strptime(text.removesuffix(" UTC"), "%m/%d/%Y").replace(tzinfo=UTC)
    except ValueError as exc:
        raise ValueError("expected a day as month/day/year, such as 11/21/2026") from exc
    if not 1970 <= day.year < 9999:
        raise ValueError("expected a year from 1970 to 9998")
    return day


Day = Annotated[datetime, BeforeValidator(_read_day), WithJsonSchema({"type": "string"})]


class PeriodQuery(Query):
    starttime: Day | None = Field(None, description="The first day, such as 11/13/2026 (UTC). Default: 24 hours ago")
    endtime: Day | None = Field(None, description="The last day, such as 11/21/2026 (UTC), all of it. Default: now")

    def period(self) -> tuple[datetime, datetime]:
        """From when, and before when; Invalid if the one is not before the other."""
        start, end = self.starttime or now() - DAY, (self.endtime or now()) + DAY
        if end < start:
            raise Invalid("endtime: expected a day that is not before starttime")
        return start, end


class LogListQuery(PeriodQuery):
    kind: str | None = Field(None, description="Only entries of this kind, such as push_repo")
    next_page: str | None = Field(None, description="The page token of the page before")


class RepositoryLogsQuery(LogListQuery):
    performer: str | None = Field(None, description="Only what this user or robot did")


class NamespaceLogsQuery(RepositoryLogsQuery):
    repository: str | None = Field(None, description="Only entries of this repository of the namespace")


class AllLogsQuery(RepositoryLogsQuery):
    namespace: str | None = Field(None, description="Only entries of this user or organization")
    page: int | None = Field(None, ge=1, description="Without effect; next_page leads on")


class PerformerCountsQuery(PeriodQuery):
    performer: str | None = Field(None, description="Only what this user or robot did")


class PerformerView(View):
    kind: Literal["user"] = "user"
    name: str
    is_robot: bool
    avatar: AvatarView


class LoggedNamespace(View):
    kind: Literal["org", "user"]
    name: str
    avatar: AvatarView


class LogEntryView(View):
    kind: str
    metadata: dict[str, Any]
    ip: str | None
    datetime: Moment
    performer: Sparse[PerformerView] = None
    namespace: Sparse[LoggedNamespace] = None


class LogPageView(View):
    start_time: Moment
    end_time: Moment
    logs: list[LogEntryView]
    next_page: Sparse[str] = None


class CountView(View):
    kind: str
    count: int
    datetime: Moment


class CountsView(View):
    aggregated: list[CountView]


class _Logs(Resource):
    """What the operations share."""

    def page(
        self,
        query: RepositoryLogsQuery,
        *,
        namespace: Account | None = None,
        repository: Repository | None = None,
        without: frozenset[str] = frozenset(),
        with_namespace: bool = False,
    ) -> LogPageView:
        """One page of what the query finds in the namespace, in the repository, or anywhere."""
        start, end = query.period()
        search = Search(
            start,
            end,
            namespace_id=namespace.id if namespace else None,
            repository_id=repository.id if repository else None,
            performer=query.performer,
            kind=query.kind,
            without=without,
        )
        place = (search.namespace_id, search.repository_id)
        bound = json.dumps(["logs", *place, query.performer, query.kind, str(query.starttime), str(query.endtime)])
        after = page_start(self.settings, query.next_page, bound)
        found = logs.list_logs(self.session, search, after=after, limit=PAGE + 1)
        shown = found[:PAGE]
        accounts = logs.accounts_in(self.session, shown)
        return LogPageView(
            start_time=start,
            end_time=end,
            logs=[_entry(entry, accounts, with_namespace=with_namespace) for entry in shown],
            next_page=next_page(self.settings, logs.place_of(shown[-1]), bound) if len(found) > PAGE else None,
        )

    def repository_in(self, namespace: Account, name: str | None) -> Repository | None:
        """The repository that a query is limited to, if it is; Invalid."""
        repository = find_repository(self.session, namespace.name, name) if name is not None else None
        if name is not None and repository is None:
            raise Invalid(f"repository: there is none of this name in {namespace.name}")
        return repository

    def counts(
        self,
        query: PeriodQuery,
        subject: LogSubject,
        subject_id: int = 0,
        *,
        performer: str | None = None,
        without: frozenset[str] = frozenset(),
    ) -> CountsView:
        """How much happened in the period, by day and kind; days are counted whole."""
        start, end = query.period()
        first, last = start.date(), (end - timedelta(microseconds=1)).date()
        if last - first >= MOST_DAYS * DAY:
            raise Invalid(f"starttime: expected at most {MOST_DAYS} days up to endtime")
        found = counts_by_day(self.session, subject, subject_id, first=first, last=last, performer=performer)
        return CountsView(
            aggregated=[
                CountView(kind=kind, count=number, datetime=midnight(day))
                for (day, kind), number in sorted(found.items())
                if kind not in without
            ]
        )


@section.at("/repository/<repopath:repository>/logs")
class RepositoryLogs(_Logs):
    @operation("listRepoLogs", allow=repo_admin)
    def get(self, repository: Repository, query: RepositoryLogsQuery) -> LogPageView:
        """List the logs for the specified repository."""
        return self.page(query, repository=repository)


@section.at("/repository/<repopath:repository>/aggregatelogs")
class RepositoryAggregateLogs(_Logs):
    @operation("getAggregateRepoLogs", allow=repo_admin)
    def get(self, repository: Repository, query: PeriodQuery) -> CountsView:
        """Returns the aggregated logs for the specified repository."""
        return self.counts(query, "repository", repository.id)


@section.at("/organization/<orgname>/logs")
class OrganizationLogs(_Logs):
    @operation("listOrgLogs", allow=org_admin)
    def get(self, organization: Organization, query: NamespaceLogsQuery) -> LogPageView:
        """List the logs for the specified organization."""
        repository = self.repository_in(organization, query.repository)
        return self.page(query, namespace=organization, repository=repository)


@section.at("/organization/<orgname>/aggregatelogs")
class OrganizationAggregateLogs(_Logs):
    @operation("getAggregateOrgLogs", allow=org_admin)
    def get(self, organization: Organization, query: PerformerCountsQuery) -> CountsView:
        """Gets the aggregated logs for the specified organization."""
        return self.counts(query, "namespace", organization.id, performer=query.performer)


@section.at("/user/logs")
class UserLogs(_Logs):
    @operation("listUserLogs", allow=user_admin)
    def get(self, user: User, query: NamespaceLogsQuery) -> LogPageView:
        """List the logs for the current user."""
        repository = self.repository_in(user, query.repository)
        return self.page(query, namespace=user, repository=repository, without=SERVICE_KINDS)


@section.at("/user/aggregatelogs")
class UserAggregateLogs(_Logs):
    @operation("getAggregateUserLogs", allow=user_admin)
    def get(self, user: User, query: PerformerCountsQuery) -> CountsView:
        """Returns the aggregated logs for the current user."""
        return self.counts(query, "namespace", user.id, performer=query.performer, without=SERVICE_KINDS)


@superuser_section.at("/superuser/logs")
class AllLogs(_Logs):
    @operation("listAllLogs", allow=fresh(superuser))
    def get(self, query: AllLogsQuery) -> LogPageView:
        """List the usage logs for the current system."""
        namespace = find_namespace(self.session, query.namespace) if query.namespace is not None else None
        if query.namespace is not None and namespace is None:
            raise Invalid("namespace: there is no user or organization of this name")
        return self.page(query, namespace=namespace, with_namespace=True)


@superuser_section.at("/superuser/aggregatelogs")
class AllAggregateLogs(_Logs):
    @operation("listAllAggregateLogs", allow=fresh(superuser))
    def get(self, query: PeriodQuery) -> CountsView:
        """Returns the aggregated logs for the current system."""
        return self.counts(query, "all")


def _entry(entry: LogEntry, accounts: Mapping[int, Account], *, with_namespace: bool) -> LogEntryView:
    namespace = accounts.get(entry.namespace_id or 0) if with_namespace else None
    return LogEntryView(**logs.shown(entry, accounts), namespace=_namespace(namespace) if namespace else None)


def _namespace(account: Account) -> LoggedNamespace:
    kind: Literal["org", "user"] = "org" if account.kind == "organization" else "user"
    return LoggedNamespace(kind=kind, name=account.name, avatar=avatar_of(account))
