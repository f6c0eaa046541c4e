"""Tokens of repositories: credentials for one repository alone (`$token`), for builds, webhooks and people's scripts.

Those that people make by REST are named there by the token itself, their `code`, and Quay shows it again. So it is kept
encrypted beside its hash; of all others the hash alone is kept, and they are not listed.
"""

from sqlalchemy import select

from models import audit
from models.access import Identity
from models.errors import Invalid, NotFound
from models.session import Session
from models.tables import Repository, RepositoryToken
from models.tables.repositories import RepositoryRole
from models.vault import new_token

CODE_LENGTH = 64


def create_repository_token(
    session: Session,
    repository: Repository,
    friendly_name: str,
    role: RepositoryRole,
    *,
    shown_again: bool = False,
    actor: Identity,
) -> tuple[RepositoryToken, str]:
    """A credential for this repository alone, and its row. Invalid.

    It cannot be shown again unless `shown_again`, as for Quay operation createToken.
    """
    if not 1 <= len(friendly_name) <= 255:
        raise Invalid("friendlyName: expected 1 to 255 characters")
    token = new_token(CODE_LENGTH)
    row = RepositoryToken(
        repository_id=repository.id,
        friendly_name=friendly_name,
        role=role,
        token_hash=session.vault.fingerprint(token),
        encrypted_token=session.vault.encrypt(token) if shown_again else None,
    )
    session.add(row)
    session.flush()
    audit.record(session, "add_repo_accesstoken", actor=actor, repository=repository, token=friendly_name)
    return row, token


def list_repository_tokens(session: Session, repository: Repository) -> list[RepositoryToken]:
    """The tokens that can be shown again, oldest first. Quay operation listRepoTokens."""
    query = select(RepositoryToken).where(
        RepositoryToken.repository_id == repository.id, RepositoryToken.encrypted_token.is_not(None)
    )
    return list(session.scalars(query.order_by(RepositoryToken.id)))


def get_repository_token(session: Session, repository: Repository, code: str) -> RepositoryToken:
    """The token that the code is; NotFound. Quay operation getTokens."""
    row = session.scalar(
        select(RepositoryToken).where(
            RepositoryToken.token_hash.in_(session.vault.fingerprints(code)),
            RepositoryToken.repository_id == repository.id,
            RepositoryToken.encrypted_token.is_not(None),
        )
    )
    if row is None:
        raise NotFound("Not Found")
    return row


def code_of(session: Session, token: RepositoryToken) -> str:
    """The token as it is presented."""
    return session.vault.decrypt(token.encrypted_token) if token.encrypted_token else ""


def change_role(
    session: Session, repository: Repository, token: RepositoryToken, role: RepositoryRole, *, actor: Identity
) -> None:
    """Let the token do more or less in its repository from now on. Quay operation changeToken.

    Quay has no kind of log entry for it; what it amounts to is a changed permission.
    """
    token.role = role
    audit.record(
        session,
        "change_repo_permission",
        actor=actor,
        repository=repository,
        token=token.friendly_name,
        role=role,
    )


def remove_repository_token(
    session: Session, repository: Repository, token: RepositoryToken, *, actor: Identity
) -> None:
    """Take the token away; it is void at once. Quay operation deleteToken."""
    session.delete(token)
    audit.record(session, "delete_repo_accesstoken", actor=actor, repository=repository, token=token.friendly_name)
