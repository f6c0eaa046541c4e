"""Logins at other registries, which builds pull base images with: of a repository, or of all in a namespace.

Passwords are encrypted, and nobody is ever shown one again.
"""

import re
from collections.abc import Sequence

from sqlalchemy import Select, func, or_, select

from models import audit
from models.access import Identity
from models.errors import Conflict, Invalid, NotFound
from models.session import Session
from models.tables import Account, RegistryCredential, Repository
from models.tables.base import now

MOST = 50
"""In one repository, or one namespace."""
LONGEST_USERNAME = 255
LONGEST_PASSWORD = 16 * 1024
DOCKER_HUB = "docker.io"
_REGISTRY = re.compile(r"[a-z0-9]([a-z0-9.-]{0,240}[a-z0-9])?(:[1-9][0-9]{0,4})?", re.IGNORECASE)
_HUB = frozenset({DOCKER_HUB, "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"})


def list_credentials(
    session: Session, namespace: Account, repository: Repository | None = None
) -> Sequence[RegistryCredential]:
    """Those of the repository, or those of the namespace itself, by registry."""
    return session.scalars(_of(namespace, repository).order_by(RegistryCredential.host)).all()


def put_credential(
    session: Session,
    namespace: Account,
    repository: Repository | None,
    registry: str,
    *,
    username: str,
    password: str,
    own: Sequence[str],
    actor: Identity,
) -> RegistryCredential:
    """Let builds pull from the registry with this login from now on, in place of the one there was.

    `own`: names of this registry, for which there are pull robots (Invalid). Conflict: there are too many.
    """
    name = registry_name(registry)
    if name in {host.lower() for host in own}:
        raise Invalid("registry: this is our own registry; name a pull_robot for it")
    _check_login(username, password)
    found = session.scalar(_of(namespace, repository).where(RegistryCredential.host == name).with_for_update())
    kind = "change_registry_credential" if found else "create_registry_credential"
    if found is None:
        number = session.scalar(select(func.count()).select_from(_of(namespace, repository).subquery()))
        if (number or 0) >= MOST:
            raise Conflict(f"there are {MOST} logins already, which is the most")
        found = RegistryCredential(
            namespace_id=namespace.id, repository_id=repository.id if repository else None, host=name
        )
        session.add(found)
    found.username, found.encrypted_password = username, session.vault.encrypt(password)
    found.changed_by, found.changed_at = actor.name, now()
    session.flush()
    _record(session, kind, found, namespace, repository, actor=actor)
    return found


def remove_credential(
    session: Session, namespace: Account, repository: Repository | None, registry: str, *, actor: Identity
) -> None:
    """Forget the login; NotFound."""
    found = session.scalar(_of(namespace, repository).where(RegistryCredential.host == registry_name(registry)))
    if found is None:
        raise NotFound("Not Found")
    _record(session, "delete_registry_credential", found, namespace, repository, actor=actor)
    session.delete(found)


def logins_for(session: Session, repository: Repository) -> dict[str, tuple[str, str]]:
    """By registry, (user name, password) for builds of the repository: its own, or else its namespace's."""
    query = select(RegistryCredential).where(
        RegistryCredential.namespace_id == repository.namespace_id,
        or_(RegistryCredential.repository_id.is_(None), RegistryCredential.repository_id == repository.id),
    )
    rows = sorted(session.scalars(query), key=lambda row: row.repository_id is not None)
    return {row.host: (row.username, session.vault.decrypt(row.encrypted_password)) for row in rows}


def registry_name(text: str) -> str:
    """The registry as images are named by it; Invalid."""
    name = text.lower()
    _, _, port = name.partition(":")
    if not _REGISTRY.fullmatch(name) or ".." in name or int(port or 1) > 65535:
        raise Invalid("registry: expected a host such as quay.io or registry.example.com:5000")
    return DOCKER_HUB if name in _HUB else name


def _check_login(username: str, password: str) -> None:
    if not username or len(username) > LONGEST_USERNAME or ":" in username:
        raise Invalid(f"username: expected 1 to {LONGEST_USERNAME} characters, and no colon")
    if not password or len(password) > LONGEST_PASSWORD:
        raise Invalid(f"password: expected 1 to {LONGEST_PASSWORD} characters")


def _of(namespace: Account, repository: Repository | None) -> Select[RegistryCredential]:
    whose = (
        RegistryCredential.repository_id == repository.id if repository else RegistryCredential.repository_id.is_(None)
    )
    return select(RegistryCredential).where(RegistryCredential.namespace_id == namespace.id, whose)


def _record(
    session: Session,
    kind: str,
    credential: RegistryCredential,
    namespace: Account,
    repository: Repository | None,
    *,
    actor: Identity,
) -> None:
    audit.record(
        session,
        kind,
        actor=actor,
        namespace=namespace,
        repository=repository,
        registry=credential.host,
        username=credential.username,
    )
