"""The repository a registry request is about, made on the first push where that is allowed."""

from typing import Any, TypeVar

from sqlalchemy import bindparam, inspect, select
from sqlalchemy.orm import make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value

from config.settings import Settings
from models.access import Identity, find_account, find_repository
from models.errors import Conflict, ReadOnly
from models.names import is_namespace
from models.organizations import create_organization
from models.quota import threshold
from models.repositories import create_repository
from models.session import Database, Session
from models.tables import Account, NamespaceUsage, Quota, Repository, User
from registry.errors import NameUnknown
from registry.names import RepositoryName

T = TypeVar("T", Account, Repository)

# Look-ups one inside of the other and not joins, so that PostgreSQL takes the way by the unique indexes also where it
# knows nothing of the tables yet; it would go through all manifests or blobs of the repository else.
NAMESPACE = select(Account.id).where(Account.name == bindparam("namespace")).scalar_subquery()
REPOSITORY = (
    select(Repository.id)
    .where(Repository.namespace_id == NAMESPACE, Repository.name == bindparam("name"))
    .scalar_subquery()
)
"""The ids of what the parameters `namespace` and `name` name, inside of a query for what is in there."""
REPOSITORY_ID = (
    select(Repository.id, Repository.state)
    .join(Account, Account.id == Repository.namespace_id)
    .where(
        Account.name == bindparam("namespace"),
        Repository.name == bindparam("name"),
        Repository.state != "MARKED_FOR_DELETION",
    )
)


PUSH_TARGET = (
    REPOSITORY_ID.add_columns(NamespaceUsage.size, Quota.limit_bytes, threshold("Reject", Account.id).label("most"))
    .outerjoin(NamespaceUsage, NamespaceUsage.namespace_id == Account.id)
    .outerjoin(Quota, Quota.namespace_id == Account.id)
)
"""The same with what the namespace uses, the bytes of its quota, and from which size on it may push no more."""


def repository_id(session: Session, name: RepositoryName, *, changes: bool = False) -> int | None:
    """The id of the repository, if it exists; one indexed look-up. `changes`: ReadOnly if it takes none."""
    row = session.run(REPOSITORY_ID, {"namespace": name.namespace, "name": name.name}).first()
    if row is not None and changes:
        _require_normal(row.state, name)
    return None if row is None else row.id


def existing(session: Session, name: RepositoryName) -> Repository:
    """The repository; NameUnknown."""
    repository = find_repository(session, name.namespace, name.name)
    if repository is None:
        raise NameUnknown(str(name))
    return repository


def writable(session: Session, name: RepositoryName) -> Repository:
    """The repository, if it takes pushes; NameUnknown, ReadOnly."""
    repository = existing(session, name)
    _require_normal(repository.state, name)
    return repository


_TARGET = REPOSITORY_ID.add_columns(
    Repository.namespace_id,
    Repository.tells_pushes,
    Repository.fixes_tags,
    Account.kind,
    Account.fixes_tags.label("fixes_all_tags"),
)


def push_target(session: Session, name: RepositoryName) -> Repository:
    """The same as `writable` at a fraction of its cost: the rows are not the session's, and only what a push needs of
    them is there."""
    row = session.run(_TARGET, {"namespace": name.namespace, "name": name.name}).first()
    if row is None:
        raise NameUnknown(str(name))
    _require_normal(row.state, name)
    owner: type[Account] = inspect(Account).polymorphic_map[row.kind].class_
    namespace = _detached(owner(), id=row.namespace_id, name=name.namespace, fixes_tags=row.fixes_all_tags)
    return _detached(
        Repository(),
        id=row.id,
        namespace_id=row.namespace_id,
        namespace=namespace,
        name=name.name,
        tells_pushes=row.tells_pushes,
        fixes_tags=row.fixes_tags,
    )


def _detached(row: T, **known: Any) -> T:
    """A row of which this is known; asking it for more is an error."""
    for name, value in known.items():
        set_committed_value(row, name, value)
    make_transient_to_detached(row)
    return row


def ensure_writable(database: Database, settings: Settings, name: RepositoryName, *, actor: Identity) -> int:
    """The id of the repository to push to, created if it is missing and the caller may create it there.

    Quay: CREATE_PRIVATE_REPO_ON_PUSH, CREATE_NAMESPACE_ON_PUSH. Forbidden, ReadOnly.
    """
    with database.read() as session:
        found = repository_id(session, name, changes=True)
    if found is not None:
        return found

    def create(session: Session) -> int:
        found = repository_id(session, name, changes=True)
        if found is not None:  # somebody else's push was first
            return found
        if may_create_namespace(session, settings, name.namespace, actor):
            owner = session.get_one(User, actor.account_id)
            keep_s = settings.default_tag_expiration_s
            create_organization(session, name.namespace, owner=owner, email=None, tag_expiration_s=keep_s, actor=actor)
        repository = create_repository(
            session,
            name.namespace,
            name.name,
            actor=actor,
            public=not settings.CREATE_PRIVATE_REPO_ON_PUSH,
            nested_names=settings.FEATURE_EXTENDED_REPOSITORY_NAMES,
        )
        return repository.id

    try:
        return database.apply(create)
    except Conflict:  # another push came between two looks of this one, which sees now what that has made
        return database.apply(create)


def may_create_namespace(session: Session, settings: Settings, namespace: str, caller: Identity) -> bool:
    """Whether a push by the caller to the namespace, which is nobody's yet, creates it as an organization."""
    allowed = settings.CREATE_NAMESPACE_ON_PUSH and caller.kind == "user" and caller.may_use("repo:create")
    return allowed and is_namespace(namespace) and find_account(session, namespace) is None


def _require_normal(state: str, name: RepositoryName) -> None:
    if state != "NORMAL":
        raise ReadOnly(f"repository {name} is read-only")
