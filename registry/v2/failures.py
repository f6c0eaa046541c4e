"""Requests for manifests that were refused, in the action log of the namespace, where the settings want them there."""

import logging
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Literal

from flask import Response, g, request
from sqlalchemy.exc import SQLAlchemyError

from models import audit
from models.access import find_namespace, find_repository
from models.errors import DomainError, Unauthenticated, Upstream
from registry.errors import RegistryError
from registry.names import Malformed, RepositoryName
from registry.v2.context import registry, seen
from registry.v2.errors import Challenge

log = logging.getLogger(__name__)

Kind = Literal["pull_repo_failed", "push_repo_failed", "delete_tag_failed"]
SETTINGS: Mapping[Kind, str] = {
    "pull_repo_failed": "ACTION_LOG_AUDIT_PULL_FAILURES",
    "push_repo_failed": "ACTION_LOG_AUDIT_PUSH_FAILURES",
    "delete_tag_failed": "ACTION_LOG_AUDIT_DELETE_FAILURES",
}
View = Callable[[str, str], Response]


def failures_told(kind: Kind) -> Callable[[View], View]:
    """Let the log tell of a view's refusals, but not of whom it asked for a token: clients begin like that.

    A HEAD is a question and no pull: clients ask so whether they have to push.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def told(name: str, reference: str) -> Response:
            try:
                return view(name, reference)
            except (RegistryError, Malformed, DomainError) as exc:
                ours = isinstance(exc, Challenge | Unauthenticated | Upstream) or request.method == "HEAD"
                if not ours and getattr(registry().services.settings, SETTINGS[kind]):
                    _tell(kind, name, reference, exc)
                raise

        return told

    return decorate


def _tell(kind: Kind, path: str, reference: str, error: Exception) -> None:
    identity = g.get("identity")
    try:
        name = RepositoryName.parse(path)
    except Malformed:
        return
    if identity is None:
        return
    named = {"manifest_digest" if ":" in reference else "tag": reference}
    actor = seen(identity, request.remote_addr, request.headers.get("User-Agent"))
    # Not in the transaction of the request, which has been rolled back.
    try:
        with registry().services.database.write() as session:
            repository = find_repository(session, name.namespace, name.name)
            namespace = repository.namespace if repository else find_namespace(session, name.namespace)
            told = {"repo": name.name, **named, "message": _message(error)}
            if namespace is not None:
                audit.record(session, kind, actor=actor, namespace=namespace, repository=repository, **told)
    except SQLAlchemyError:
        log.warning("a refused request could not be told in the action log", exc_info=True)


def _message(error: Exception) -> str:
    """What the client is told."""
    if isinstance(error, RegistryError):
        return f"{error.message}: {error.detail}" if error.detail else error.message
    return str(error)
