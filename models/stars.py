"""Stars: the repositories that a user has marked to find them again."""

from sqlalchemy import bindparam, delete, func, select

from models.access import Identity, find_repository, may
from models.dialect import insert_new
from models.errors import NotFound
from models.queries import Query
from models.session import Session
from models.tables import Account, Repository, Star, User


def star(session: Session, user: User, namespace: str, name: str, *, actor: Identity) -> None:
    """Mark a repository that the caller may read; NotFound, also if it only may not. Quay operation createStar."""
    repository = find_repository(session, namespace, name)
    if repository is None or not may(session, actor, repository, "read"):
        raise NotFound("Not Found")
    insert_new(session, Star, [{"account_id": user.id, "repository_id": repository.id}])


def unstar(session: Session, user: User, path: str) -> None:
    """Take the mark from `namespace/name`; no error if it is not there. Quay operation deleteStar."""
    namespace, _, name = path.partition("/")
    repositories = (
        select(Repository.id)
        .join(Account, Account.id == Repository.namespace_id)
        .where(Account.name == namespace, Repository.name == name)
    )
    mine = delete(Star).where(Star.account_id == user.id, Star.repository_id.in_(repositories))
    session.execute(mine.execution_options(synchronize_session=False))


_STARRED = Query(
    select(Star.repository_id).where(
        Star.account_id == bindparam("account_id"), Star.repository_id == bindparam("repository_id")
    ),
    bool,
)


def is_starred(session: Session, caller: Identity, repository: Repository) -> bool:
    """Whether the caller starred the repository."""
    if caller.account_id is None:
        return False
    return session.first(_STARRED, account_id=caller.account_id, repository_id=repository.id) is not None


def count_stars(session: Session, ids: list[int]) -> dict[int, int]:
    """How many have starred each repository; those that nobody has are left out."""
    query = select(Star.repository_id, func.count()).where(Star.repository_id.in_(ids)).group_by(Star.repository_id)
    return dict(session.execute(query).all())
