"""Finding accounts and teams by how their names begin, among those the caller may know of."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, CompoundSelect, exists, false, literal_column, or_, select
from sqlalchemy.orm import contains_eager

from models.access import Identity, administered_organization_ids, visible_repositories
from models.dialect import begins_with
from models.session import Session
from models.tables import Account, Repository, Robot, Team, TeamMember, User

WINDOW = 200
"""How many names are asked whether the caller may know them."""
_NAMESPACE = Account.kind != literal_column("'robot'")  # exactly what the index by prefix has


def find_users(session: Session, start: str, *, exactly: bool = False, limit: int) -> Sequence[User]:
    """Users whose names begin like this, by name. `exactly`: only the one who has this name."""
    query = select(User).where(_NAMESPACE, User.enabled).order_by(User.name).limit(limit)
    return session.scalars(query.where(User.name == start if exactly else begins_with(session, User.name, start))).all()


def find_robots_of(session: Session, owner: Account, start: str, *, limit: int) -> Sequence[Robot]:
    """The owner's robots whose short names begin like this, by name."""
    query = select(Robot).where(Robot.owner_id == owner.id, _short_name_begins(start))
    return session.scalars(query.order_by(Robot.name).limit(limit)).all()


def find_teams_of(session: Session, organization: Account, start: str, *, limit: int) -> Sequence[Team]:
    """The organization's teams whose names begin like this, by name."""
    query = select(Team).where(Team.organization_id == organization.id, _team_begins(start))
    return session.scalars(query.order_by(Team.name).limit(limit)).all()


def find_namespaces(session: Session, caller: Identity, start: str, *, limit: int) -> Sequence[Account]:
    """Users and organizations whose names begin like this, by name: those with something to see, or the caller's."""
    some = (
        select(Account.id)
        .where(_NAMESPACE, Account.kind != "deleted", begins_with(session, Account.name, start))
        .order_by(Account.name)
        .limit(WINDOW)
    )
    something_to_see = exists().where(
        Repository.namespace_id == Account.id, visible_repositories(caller, among_few=True)
    )
    own = or_(Account.id == caller.account_id, _is_member(caller)) if caller.may_use("org:admin") else false()
    query = select(Account).where(Account.id.in_(some), or_(own, something_to_see))
    return session.scalars(query.order_by(Account.name).limit(limit)).all()


def find_own_robots(session: Session, caller: Identity, start: str, *, limit: int) -> Sequence[Robot]:
    """Robots of the caller, and of the organizations it administers, whose short names begin like this, by name."""
    owners = _owners_in_sight(caller).subquery()
    query = select(Robot).join(owners, owners.c.id == Robot.owner_id).where(_short_name_begins(start))
    return session.scalars(query.order_by(Robot.name).limit(limit)).all()


def find_own_teams(session: Session, caller: Identity, start: str, *, limit: int) -> Sequence[Team]:
    """Teams that the caller is in, and those of the organizations it administers, whose names begin like this.

    Their organizations are loaded with them.
    """
    if not caller.may_use("org:admin"):
        return []
    mine = select(TeamMember.team_id).where(TeamMember.account_id == caller.account_id)
    seen = or_(Team.id.in_(mine), Team.organization_id.in_(administered_organization_ids(caller)))
    query = select(Team).join(Team.organization).options(contains_eager(Team.organization))
    ordered = query.where(seen, _team_begins(start)).order_by(Team.name, Team.id)
    return session.scalars(ordered.limit(limit)).all()


def _owners_in_sight(caller: Identity) -> CompoundSelect[int]:
    """The ids (`id`) of the owners whose robots the caller, with its token, may list."""
    itself = select(Account.id).where(Account.id == caller.account_id if caller.may_use("user:admin") else false())
    organizations = administered_organization_ids(caller)
    return itself.union(organizations if caller.may_use("org:admin") else organizations.where(false()))


def _short_name_begins(start: str) -> ColumnElement[bool]:
    return Robot.name.contains(f"+{start}", autoescape=True)  # a robot's name has one +, between owner and short name


def _team_begins(start: str) -> ColumnElement[bool]:
    return Team.name.startswith(start, autoescape=True)


def _is_member(caller: Identity) -> ColumnElement[bool]:
    """The condition on accounts that are organizations with a team that the caller is in."""
    teams = exists().where(Team.organization_id == Account.id, TeamMember.team_id == Team.id)
    return teams.where(TeamMember.account_id == caller.account_id)
