"""Addresses that notifications of a repository may be mailed to, once whoever reads them has agreed."""

import secrets
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from config.settings import Settings
from models import letters
from models.access import Identity
from models.errors import Invalid
from models.mail import check_address
from models.session import Session
from models.tables import Repository, RepositoryEmail
from models.tables.base import now

LASTS = timedelta(days=7)
"""For how long a mail's link is good."""
ASKED_AGAIN_AFTER = timedelta(minutes=1)
MOST_OF_A_REPOSITORY = 100
VOID = "This link is not valid any more: it works for a week, and the last one that was mailed counts."


def find_email(session: Session, repository: Repository, email: str) -> RepositoryEmail | None:
    """The address, whether or not its owner has agreed. Quay operation checkRepoEmailAuthorized."""
    query = select(RepositoryEmail).where(
        RepositoryEmail.repository_id == repository.id, RepositoryEmail.email == email
    )
    return session.scalar(query)


def ask(
    session: Session, settings: Settings, repository: Repository, email: str, *, actor: Identity
) -> RepositoryEmail:
    """Mail the address a link by which its owner agrees, unless that was done or just tried. Invalid: no address.

    Quay operation sendAuthorizeRepoEmail.
    """
    row = find_email(session, repository, check_address(email))
    if row is not None and (row.confirmed or row.asked_at > now() - ASKED_AGAIN_AFTER):
        return row
    if row is None:
        row = _new_row(session, repository, email)
    code = secrets.token_urlsafe(32)
    row.code_hash, row.asked_at = session.vault.fingerprint(code), now()
    session.flush()
    letters.agree_to_notifications(session, settings, repository, code, to=email, asked_by=actor.name or "Somebody")
    return row


def get_asked(session: Session, code: str) -> RepositoryEmail:
    """What the link of a mail is about, its repository loaded with it; Invalid."""
    known = RepositoryEmail.code_hash.in_(session.vault.fingerprints(code))
    loaded = joinedload(RepositoryEmail.repository).joinedload(Repository.namespace)
    row = session.scalar(select(RepositoryEmail).where(known).options(loaded))
    if row is None or row.asked_at <= now() - LASTS or row.repository.state == "MARKED_FOR_DELETION":
        raise Invalid(VOID)
    return row


def confirm(session: Session, code: str) -> RepositoryEmail:
    """The owner of the address agrees; Invalid."""
    row = get_asked(session, code)
    row.confirmed = True
    return row


def _new_row(session: Session, repository: Repository, email: str) -> RepositoryEmail:
    asked = select(RepositoryEmail.id).where(RepositoryEmail.repository_id == repository.id)
    if len(session.scalars(asked).all()) >= MOST_OF_A_REPOSITORY:
        raise Invalid(f"{repository.path} has asked {MOST_OF_A_REPOSITORY} addresses, which is the most")
    row = RepositoryEmail(repository=repository, email=email)
    session.add(row)
    return row
