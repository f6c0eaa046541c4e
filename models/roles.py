"""What an account was given: by its teams in an organization, and in a repository. How roles rank, and how to ask."""

from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Integer, Select, SQLColumnExpression, bindparam, case, func, or_, select
from sqlalchemy.orm.attributes import set_committed_value

from models.queries import Query
from models.tables import Account, Permission, Repository, Team, TeamMember
from models.tables.accounts import TeamRole
from models.tables.repositories import RepositoryRole

RANK: dict[str | None, int] = {None: 0, "read": 1, "write": 2, "admin": 3}
TEAM_RANK: dict[str | None, int] = {None: 0, "member": 1, "creator": 2, "admin": 3}
_ROLES: list[RepositoryRole | None] = [None, "read", "write", "admin"]
_TEAM_ROLES: list[TeamRole | None] = [None, "member", "creator", "admin"]


class Given(NamedTuple):
    """The most of what an account was given, as ranks: by its teams in the namespace, and in the repository."""

    team_rank: int | None = None
    permission_rank: int | None = None

    @property
    def team_role(self) -> TeamRole | None:
        return _TEAM_ROLES[self.team_rank or 0]

    @property
    def permission(self) -> RepositoryRole | None:
        return _ROLES[self.permission_rank or 0]


NOTHING = Given()


def _most(role: SQLColumnExpression[Any], ranks: dict[str | None, int]) -> ColumnElement[int]:
    return func.max(case({name: rank for name, rank in ranks.items() if name}, value=role, else_=0), type_=Integer)


def _caller_id() -> ColumnElement[int]:
    return bindparam("caller_id", type_=Integer)


def _by_teams(organization_id: SQLColumnExpression[int]) -> Select[int]:
    return (
        select(_most(Team.role, TEAM_RANK))
        .join(TeamMember, TeamMember.team_id == Team.id)
        .where(Team.organization_id == organization_id, TeamMember.account_id == _caller_id())
    )


def _by_permissions(repository_id: SQLColumnExpression[int]) -> Select[int]:
    teams = select(TeamMember.team_id).where(TeamMember.account_id == _caller_id())
    return select(_most(Permission.role, RANK)).where(
        Permission.repository_id == repository_id,
        or_(Permission.account_id == _caller_id(), Permission.team_id.in_(teams)),
    )


GIVEN_IN_NAMESPACE = Query(_by_teams(bindparam("namespace_id", type_=Integer)), Given)
GIVEN_IN_REPOSITORY = Query(
    select(
        _by_teams(bindparam("namespace_id", type_=Integer)).scalar_subquery(),
        _by_permissions(bindparam("repository_id", type_=Integer)).scalar_subquery(),
    ),
    Given,
)


def _with_namespace(
    repository: Repository, namespace: Account, team_rank: int | None, permission_rank: int | None
) -> tuple[Repository, Given]:
    set_committed_value(repository, "namespace", namespace)
    return repository, Given(team_rank, permission_rank)


REPOSITORY_AND_GIVEN = Query(
    select(
        Repository,
        Account,
        _by_teams(Account.id).correlate(Account).scalar_subquery(),
        _by_permissions(Repository.id).correlate(Repository).scalar_subquery(),
    )
    .join(Account, Account.id == Repository.namespace_id)
    .where(
        Account.name == bindparam("namespace"),
        Repository.name == bindparam("name"),
        Repository.state != "MARKED_FOR_DELETION",
    ),
    _with_namespace,
)
"""A repository, its namespace loaded with it, and what `caller_id` was given in both."""
