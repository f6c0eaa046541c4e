"""Repositories: create, find, list, change, remove."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from sqlalchemy import ColumnElement, exists, select, tuple_

from models import audit
from models.access import (
    Identity,
    find_namespace,
    may_create_in,
    own_repositories,
    sees_everything,
    visible_repositories,
)
from models.errors import Conflict, Invalid
from models.names import check_repository
from models.prototypes import apply_prototypes
from models.removal import take_repository
from models.session import Session
from models.tables import Account, Permission, Quota, Repository, RepositoryUsage, Star, Tag
from models.terms import index_repository


@dataclass(frozen=True)
class Filter:
    """What a list of repositories is limited to. `starred`: only those the caller starred."""

    namespace: str | None = None
    starred: bool = False
    public: bool = False


def create_repository(
    session: Session,
    namespace: str,
    name: str,
    *,
    actor: Identity,
    public: bool,
    description: str = "",
    nested_names: bool = True,
) -> Repository:
    """Create `namespace/name` for someone who may create there; who creates it administers it.

    In an organization, others get what its prototypes say.

    Invalid: the name; Conflict: it is taken; Forbidden or Unauthenticated: not there, not by you.
    Quay operation createRepo.
    """
    owner = find_namespace(session, namespace)
    if owner is None or not may_create_in(session, actor, owner):
        raise actor.refuse()
    check_repository(name, nested=nested_names)
    # Locked, it is not deleted beside this.
    alive = select(Account.id).where(Account.id == owner.id, Account.kind != "deleted")
    if session.scalar(alive.with_for_update(read=True, key_share=True)) is None:
        raise actor.refuse()
    taken = select(exists().where(Repository.namespace_id == owner.id, Repository.name == name))
    if session.scalar(taken):
        raise Conflict("Repository already exists")
    repository = Repository(namespace=owner, name=name, is_public=public, description=description)
    session.add(repository)
    session.flush()
    if owner.id != actor.account_id and actor.account_id is not None:
        session.add(Permission(repository_id=repository.id, account_id=actor.account_id, role="admin"))
        apply_prototypes(session, repository, actor)
    index_repository(session, repository)
    audit.record(session, "create_repo", actor=actor, repository=repository)
    return repository


class ListedRepository(NamedTuple):
    """A repository as lists show it: with what it uses, and its namespace may use; when it last got a tag, and whether
    the caller has starred it."""

    id: int
    namespace: str
    name: str
    description: str
    is_public: bool
    state: str
    used_bytes: int | None
    quota_bytes: int | None
    last_modified_ms: int | None
    is_starred: bool


def _is_starred(caller: Identity) -> ColumnElement[bool]:
    return exists().where(Star.repository_id == Repository.id, Star.account_id == caller.account_id)


# One look at the end of the index for each, however many tags there are.
_LAST_MODIFIED_MS = (
    select(Tag.start_ms)
    .where(Tag.repository_id == Repository.id)
    .order_by(Tag.start_ms.desc())
    .limit(1)
    .scalar_subquery()
)
# Subqueries and no joins, for they are evaluated for the page alone.
_SHOWN = (
    select(RepositoryUsage.size).where(RepositoryUsage.repository_id == Repository.id).scalar_subquery(),
    select(Quota.limit_bytes).where(Quota.namespace_id == Repository.namespace_id).scalar_subquery(),
    _LAST_MODIFIED_MS,
)


def list_repositories(
    session: Session, caller: Identity, only: Filter, *, after: int = 0, limit: int = 100
) -> list[ListedRepository]:
    """Repositories the caller may see, oldest first, from the one after id `after`. Quay operation listRepos.

    Without `public` only those the caller has rights in are listed, as Quay does.
    """
    query = (
        select(Repository.id, Account.name, Repository.name, Repository.description)
        .add_columns(Repository.is_public, Repository.state, *_SHOWN, _is_starred(caller))
        .join(Repository.namespace)
        .where(Repository.id > after, Repository.state != "MARKED_FOR_DELETION")
        .order_by(Repository.id)
        .limit(limit)
    )
    wanted = visible_repositories(caller) if only.public or only.starred else own_repositories(caller)
    if sees_everything(caller):
        wanted = visible_repositories(caller)
    query = query.where(wanted)
    if only.namespace is not None:
        # By its id, so that the index on both ids has them in their order.
        namespace_id = select(Account.id).where(Account.name == only.namespace).correlate(None).scalar_subquery()
        query = query.where(Repository.namespace_id == namespace_id)
    if only.starred:
        query = query.where(_is_starred(caller))
    return [ListedRepository(*row) for row in session.execute(query)]


def last_modified(session: Session, ids: list[int]) -> dict[int, int]:
    """When a tag last changed in each repository, in Unix seconds."""
    if not ids:
        return {}
    query = select(Repository.id, _LAST_MODIFIED_MS).where(Repository.id.in_(ids))
    return {repository: ms // 1000 for repository, ms in session.execute(query) if ms is not None}


def describe_repository(session: Session, repository: Repository, description: str, *, actor: Identity) -> None:
    """Quay operation updateRepo."""
    repository.description = description
    index_repository(session, repository)
    audit.record(session, "set_repo_description", actor=actor, repository=repository, description=description)


def change_visibility(session: Session, repository: Repository, visibility: str, *, actor: Identity) -> None:
    """`visibility`: public or private. Quay operation changeRepoVisibility."""
    if visibility not in ("public", "private"):
        raise Invalid("visibility: expected public or private")
    repository.is_public = visibility == "public"
    audit.record(session, "change_repo_visibility", actor=actor, repository=repository, visibility=visibility)


def change_trust(session: Session, repository: Repository, *, enabled: bool, actor: Identity) -> None:
    """Whether the repository's tags are meant to be signed. Quay operation changeRepoTrust."""
    repository.trust_enabled = enabled
    audit.record(session, "change_repo_trust", actor=actor, repository=repository, trust_enabled=enabled)


def change_state(
    session: Session, repository: Repository, state: Literal["NORMAL", "READ_ONLY", "MIRROR"], *, actor: Identity
) -> None:
    """Let the content be changed by everybody who may (NORMAL), by nobody, or by a mirror alone.

    Quay operation changeRepoState.
    """
    repository.state = state
    audit.record(session, "change_repo_state", actor=actor, repository=repository, state_changed=state)


def remove_repository(session: Session, repository: Repository, *, actor: Identity) -> None:
    """Remove the repository with all it holds; bytes go when nothing else needs them. Quay's deleteRepository."""
    audit.record(session, "delete_repo", actor=actor, repository=repository)
    session.flush()
    take_repository(session, repository)


def list_repository_names(session: Session, caller: Identity, *, after: str = "", limit: int) -> list[str]:
    """`namespace/name` of the repositories the caller may read, in order, from the one behind `after`."""
    namespace, _, name = after.partition("/")
    query = (
        select(Account.name, Repository.name)
        .join(Account, Account.id == Repository.namespace_id)
        .where(visible_repositories(caller), Repository.state != "MARKED_FOR_DELETION")
        .where(tuple_(Account.name, Repository.name) > tuple_(namespace, name))
    )
    rows = session.execute(query.order_by(Account.name, Repository.name).limit(limit))
    return [f"{namespace}/{name}" for namespace, name in rows]
