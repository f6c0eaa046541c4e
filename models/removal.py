"""Removing what may hold much: the name is free at once, what it held goes in slices, by collection.

Removing ten thousand manifests in one transaction would let every push of the installation wait.
"""

from uuid import uuid4

from sqlalchemy import Table, delete, exists, select, update

from models.session import Session
from models.tables import (
    Account,
    Base,
    Build,
    BuildCache,
    Garbage,
    Job,
    Manifest,
    NamespaceBlob,
    NamespaceUsage,
    Permission,
    RegistryCredential,
    Repository,
    RepositoryBlob,
    RepositoryTerm,
    RepositoryToken,
    Star,
    Upload,
)

_KEPT = {Repository.__tablename__, NamespaceBlob.__tablename__, NamespaceUsage.__tablename__}
"""What refers to a deleted namespace until collection has taken what its repositories held."""
_RIGHTS_AND_BUILDS = (Permission, RepositoryTerm, RepositoryToken, RegistryCredential, Star, Build, BuildCache)
"""What goes at once, whatever the repository holds."""


def take_repository(session: Session, repository: Repository) -> None:
    """Let the repository be gone for everybody but collection. Its name is free."""
    _take(session, [repository.id])
    session.expunge(repository)


def remove_account(session: Session, account: Account) -> None:
    """Remove the account with all that is its own; a namespace that holds images disappears until they are gone."""
    # Locked, nobody can make a repository in it unseen.
    session.execute(select(Account.id).where(Account.id == account.id).with_for_update())
    ids = list(session.scalars(select(Repository.id).where(Repository.namespace_id == account.id)))
    if not _take(session, ids):
        session.delete(account)
        return
    _remove_belongings(session, account.id)
    nobody = dict.fromkeys(
        (
            *("email", "password_hash", "encrypted_token", "given_name", "family_name", "company", "location"),
            *("invoice_email_address", "description", "unstructured_metadata", "last_accessed_at"),
        )
    )
    session.execute(
        update(Account)
        .where(Account.id == account.id)
        .values(kind="deleted", name=_no_name(), enabled=False, superuser=False, **nobody)
        .execution_options(synchronize_session=False)
    )
    session.expunge(account)


def remove_emptied_namespaces(session: Session) -> int:
    """Remove deleted namespaces whose repositories are gone; how many."""
    empty = ~exists().where(Repository.namespace_id == Account.id)
    gone = delete(Account).where(Account.kind == "deleted", empty).returning(Account.id)
    return len(session.execute(gone.execution_options(synchronize_session=False)).all())


def _take(session: Session, ids: list[int]) -> bool:
    """Remove the repositories that hold nothing and mark the others; whether there are others."""
    # Locked, no push can bring anything into them unseen.
    session.execute(select(Repository.id).where(Repository.id.in_(ids)).order_by(Repository.id).with_for_update())
    contents = [select(table.repository_id).where(table.repository_id.in_(ids)) for table in (Manifest, RepositoryBlob)]
    contents.append(select(Upload.repository_id).where(Upload.repository_id.in_(ids), Upload.size > 0))
    filled = {id_ for content in contents for id_ in session.scalars(content.distinct())}
    _end_builds(session, ids)
    session.execute(delete(Repository).where(Repository.id.in_(set(ids) - filled)))
    for table in _RIGHTS_AND_BUILDS:
        session.execute(delete(table).where(table.repository_id.in_(filled)))
    for id_ in filled:
        gone = {"name": _no_name(), "state": "MARKED_FOR_DELETION"}
        session.execute(update(Repository).where(Repository.id == id_).values(gone))
    return bool(filled)


def _end_builds(session: Session, ids: list[int]) -> None:
    """Stop the builds under way, and let the others go with their logs."""
    jobs = select(Build.job_id).where(Build.repository_id.in_(ids))
    logs = session.scalars(select(Job.logs_path).where(Job.id.in_(jobs), Job.logs_path.is_not(None)))
    session.add_all([Garbage(path=path, size=0) for path in logs])
    running = update(Job).where(Job.id.in_(jobs), Job.state == "running").values(cancel_requested=True)
    session.execute(running.execution_options(synchronize_session=False))
    gone = delete(Job).where(Job.id.in_(jobs), Job.state != "running")
    session.execute(gone.execution_options(synchronize_session=False))


def _remove_belongings(session: Session, account_id: int) -> None:
    """Do what the foreign keys would do if the account's row went, but for its repositories."""
    for table in reversed(Base.metadata.sorted_tables):
        if table.name not in _KEPT:
            _let_go(session, table, account_id)


def _let_go(session: Session, table: Table, account_id: int) -> None:
    for key in table.foreign_keys:
        if key.column is Account.__table__.c.id and key.parent.table is table:
            if key.ondelete == "SET NULL":
                session.execute(update(table).where(key.parent == account_id).values({key.parent: None}))
            else:
                session.execute(delete(table).where(key.parent == account_id))


def _no_name() -> str:
    """A name that nobody can have or ask for."""
    return f"deleted:{uuid4()}"
