"""Auto-prune policies: which tags end by themselves, in a repository or in all of a namespace."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select

from config.units import parse_duration
from models import audit
from models.access import Identity
from models.errors import Conflict, Invalid, NotFound
from models.patterns import check_pattern
from models.session import Session
from models.tables import Account, PrunePolicy, Repository
from models.tables.base import now
from models.tables.policies import PruneMethod

MOST_TAGS = 1_000_000
MOST = 50
"""Policies of one namespace or repository: each looks at every tag."""


@dataclass(frozen=True)
class Config:
    """What a policy says: how many tags stay (`number_of_tags`), or how old they become (`creation_date`, such as 7d).

    With a pattern only for tags whose names it describes, or with `matches` false only for all others.
    """

    method: str
    value: int | str
    tag_pattern: str | None = None
    matches: bool = True


def list_policies(session: Session, namespace: Account, repository: Repository | None = None) -> list[PrunePolicy]:
    """The policies of the repository, or those of the namespace itself, oldest first."""
    return list(session.scalars(_of(namespace, repository).order_by(PrunePolicy.id)))


def get_policy(session: Session, namespace: Account, repository: Repository | None, uuid: str) -> PrunePolicy:
    """One of these; NotFound."""
    policy = session.scalar(_of(namespace, repository).where(PrunePolicy.uuid == uuid))
    if policy is None:
        raise NotFound("Not Found")
    return policy


def create_policy(
    session: Session, namespace: Account, repository: Repository | None, config: Config, *, actor: Identity
) -> PrunePolicy:
    """Let tags end from now on as the configuration says. Invalid, Conflict. Quay operations create…AutoPrunePolicy."""
    policy = PrunePolicy(namespace_id=namespace.id, repository_id=repository.id if repository else None)
    _configure(session, policy, namespace, repository, config)
    if session.scalars(select(func.count()).select_from(_of(namespace, repository).subquery())).one() >= MOST:
        raise Conflict(f"there are {MOST} policies already, which is the most")
    session.add(policy)
    session.flush()
    _record(session, "create", policy, namespace, repository, actor=actor, **_told(policy))
    return policy


def change_policy(
    session: Session,
    policy: PrunePolicy,
    namespace: Account,
    repository: Repository | None,
    config: Config,
    *,
    actor: Identity,
) -> None:
    """The next round begins at once. Invalid, Conflict. Quay operations update…AutoPrunePolicy."""
    with session.no_autoflush:
        _configure(session, policy, namespace, repository, config)
    policy.position, policy.due_at = 0, now()
    _record(session, "update", policy, namespace, repository, actor=actor, **_told(policy))


def remove_policy(
    session: Session, policy: PrunePolicy, namespace: Account, repository: Repository | None, *, actor: Identity
) -> None:
    """Quay operations delete…AutoPrunePolicy."""
    session.delete(policy)
    _record(session, "delete", policy, namespace, repository, actor=actor)


def value_of(policy: PrunePolicy) -> int | str:
    """The policy's value, as its method has it."""
    return int(policy.value) if policy.method == "number_of_tags" else policy.value


def _of(namespace: Account, repository: Repository | None) -> Select[PrunePolicy]:
    of_repository = PrunePolicy.repository_id == (repository.id if repository else None)
    return select(PrunePolicy).where(PrunePolicy.namespace_id == namespace.id, of_repository)


def _configure(
    session: Session, policy: PrunePolicy, namespace: Account, repository: Repository | None, config: Config
) -> None:
    policy.method, policy.value = _checked(config.method, config.value)
    policy.tag_pattern, policy.tag_pattern_matches = _checked_pattern(config.tag_pattern), config.matches
    same = _of(namespace, repository).where(
        PrunePolicy.method == policy.method,
        PrunePolicy.value == policy.value,
        PrunePolicy.tag_pattern == policy.tag_pattern,
        PrunePolicy.tag_pattern_matches == policy.tag_pattern_matches,
    )
    found = session.scalars(same).first()
    if found is not None and found is not policy:
        raise Conflict("there is a policy that says the same already")


def _checked(method: str, value: int | str) -> tuple[PruneMethod, str]:
    if method == "number_of_tags":
        if not isinstance(value, int) or not 1 <= value <= MOST_TAGS:
            raise Invalid(f"value: expected a number of tags, 1 to {MOST_TAGS}")
        return "number_of_tags", str(value)
    if method != "creation_date":
        raise Invalid("method: expected number_of_tags or creation_date")
    try:
        positive = isinstance(value, str) and parse_duration(value)
    except ValueError:
        positive = False
    if not positive:
        raise Invalid("value: expected a time such as 12h, 7d, 2w or 1y")
    return "creation_date", str(value)


def _checked_pattern(pattern: str | None) -> str | None:
    if pattern is None:
        return None
    stripped = pattern.strip()
    if not stripped:
        raise Invalid("tagPattern: expected a regular expression, got nothing")
    return check_pattern(stripped, subject="tagPattern")


def _told(policy: PrunePolicy) -> dict[str, Any]:
    return {
        "method": policy.method,
        "value": value_of(policy),
        "tag_pattern": policy.tag_pattern,
        "tag_pattern_matches": policy.tag_pattern_matches,
    }


def _record(
    session: Session,
    verb: str,
    policy: PrunePolicy,
    namespace: Account,
    repository: Repository | None,
    *,
    actor: Identity,
    **told: Any,
) -> None:
    owner: dict[str, Any] = {"repository": repository} if repository else {"namespace": namespace}
    kind = f"{verb}_{'repository' if repository else 'namespace'}_autoprune_policy"
    audit.record(session, kind, actor=actor, policy_uuid=policy.uuid, **owner, **told)
