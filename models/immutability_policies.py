"""Immutability policies: names of tags that nobody may change, in a repository or in all of a namespace.

What a push begins is immutable at once (`models.immutability`). What was there before is marked a few repositories at a
time: the first when the policy is made, the others by the scheduler, which then goes round once more, since a push that
was under way when the policy came did not see it.
"""

from datetime import timedelta
from typing import Any

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import joinedload

from models import audit
from models.access import Identity
from models.errors import Conflict, Invalid, NotFound
from models.patterns import Selector, check_pattern
from models.session import Session
from models.tables import Account, ImmutabilityPolicy, Repository, Tag
from models.tables.base import now
from models.tags import alive

AT_A_TIME = 50
"""Repositories whose tags are looked at in one transaction."""
CHUNK = 500
MOST = 20
"""Policies of one namespace or repository: a push asks each of them, and patterns can be slow."""
SECOND_ROUND = timedelta(minutes=5)
"""After a change no push that did not see it can still be under way."""


def list_policies(
    session: Session, namespace: Account, repository: Repository | None = None
) -> list[ImmutabilityPolicy]:
    """The policies of the repository, or those of the namespace itself, oldest first."""
    return list(session.scalars(_of(namespace, repository).order_by(ImmutabilityPolicy.id)))


def get_policy(session: Session, namespace: Account, repository: Repository | None, uuid: str) -> ImmutabilityPolicy:
    """One of these; NotFound."""
    policy = session.scalar(_of(namespace, repository).where(ImmutabilityPolicy.uuid == uuid))
    if policy is None:
        raise NotFound("Not Found")
    return policy


def create_policy(
    session: Session,
    namespace: Account,
    repository: Repository | None,
    tag_pattern: str,
    *,
    matches: bool = True,
    actor: Identity,
) -> ImmutabilityPolicy:
    """Let the tags that the pattern matches be immutable, or with `matches` false all others. Invalid, Conflict.

    Quay operations createOrgImmutabilityPolicy and createRepositoryImmutabilityPolicy.
    """
    policy = ImmutabilityPolicy(
        namespace_id=namespace.id,
        repository_id=repository.id if repository else None,
        tag_pattern=_checked(tag_pattern),
        tag_pattern_matches=matches,
    )
    _refuse_twin(session, namespace, repository, policy)
    if session.scalars(select(func.count()).select_from(_of(namespace, repository).subquery())).one() >= MOST:
        raise Conflict(f"there are {MOST} policies already, which is the most")
    session.add(policy)
    session.flush()
    _note_whether_any(session, namespace, repository)
    _record(session, "create_immutability_policy", namespace, repository, actor=actor, **_told(policy))
    mark_tags(session, policy, actor=actor)
    return policy


def change_policy(
    session: Session,
    namespace: Account,
    repository: Repository | None,
    policy: ImmutabilityPolicy,
    tag_pattern: str,
    *,
    matches: bool = True,
    actor: Identity,
) -> None:
    """What it made immutable stays so. Invalid, Conflict. Quay operations update…ImmutabilityPolicy."""
    with session.no_autoflush:
        policy.tag_pattern, policy.tag_pattern_matches = _checked(tag_pattern), matches
        _refuse_twin(session, namespace, repository, policy)
    policy.changed_at = policy.due_at = now()
    policy.position = 0
    _record(session, "update_immutability_policy", namespace, repository, actor=actor, **_told(policy))
    mark_tags(session, policy, actor=actor)


def remove_policy(
    session: Session,
    namespace: Account,
    repository: Repository | None,
    policy: ImmutabilityPolicy,
    *,
    actor: Identity,
) -> None:
    """What it made immutable stays so. Quay operations delete…ImmutabilityPolicy."""
    session.delete(policy)
    session.flush()
    _note_whether_any(session, namespace, repository)
    _record(session, "delete_immutability_policy", namespace, repository, actor=actor, policy_uuid=policy.uuid)


def mark_due(session: Session) -> bool:
    """Mark tags of the next few repositories of a policy that is due; false if there is none."""
    query = (
        select(ImmutabilityPolicy)
        .where(ImmutabilityPolicy.position.is_not(None), ImmutabilityPolicy.due_at <= now())
        .order_by(ImmutabilityPolicy.due_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    policy = session.scalar(query)
    if policy is None:
        return False
    mark_tags(session, policy, actor=Identity())
    return True


def mark_tags(session: Session, policy: ImmutabilityPolicy, *, actor: Identity) -> None:
    """Make the living tags immutable that the policy means, in the next repositories; they no longer expire, then."""
    session.flush()
    repositories = list(session.scalars(_next_repositories(policy)))
    selector = Selector(policy.tag_pattern, inverted=not policy.tag_pattern_matches)
    for repository in repositories:
        marked = _mark(session, repository, selector)
        if marked:
            facts = {**_told(policy), "count": marked}
            audit.record(session, "tags_made_immutable_by_policy", actor=actor, repository=repository, **facts)
    if len(repositories) == AT_A_TIME:
        policy.position = repositories[-1].id
    elif policy.due_at >= policy.changed_at + SECOND_ROUND:
        policy.position = None
    else:
        policy.position, policy.due_at = 0, policy.changed_at + SECOND_ROUND


def _mark(session: Session, repository: Repository, selector: Selector) -> int:
    candidates = select(Tag.id, Tag.name).where(Tag.repository_id == repository.id, ~Tag.immutable, alive())
    ids = [id_ for id_, name in session.execute(candidates) if selector.picks(name)]
    marked = 0
    for start in range(0, len(ids), CHUNK):
        change = update(Tag).where(Tag.id.in_(ids[start : start + CHUNK]), ~Tag.immutable, alive())
        values = change.values(immutable=True, expires_ms=None).execution_options(synchronize_session=False)
        marked += len(session.execute(values.returning(Tag.id)).all())
    return marked


def _next_repositories(policy: ImmutabilityPolicy) -> Select[Repository]:
    query = (
        select(Repository)
        .options(joinedload(Repository.namespace))
        .where(
            Repository.namespace_id == policy.namespace_id,
            Repository.id > (policy.position or 0),
            Repository.state != "MARKED_FOR_DELETION",
        )
    )
    if policy.repository_id is not None:
        query = query.where(Repository.id == policy.repository_id)
    return query.order_by(Repository.id).limit(AT_A_TIME)


def _of(namespace: Account, repository: Repository | None) -> Select[ImmutabilityPolicy]:
    of_repository = ImmutabilityPolicy.repository_id == (repository.id if repository else None)
    return select(ImmutabilityPolicy).where(ImmutabilityPolicy.namespace_id == namespace.id, of_repository)


def _note_whether_any(session: Session, namespace: Account, repository: Repository | None) -> None:
    """Keep in the row of repository or namespace, which every push reads, whether there are policies.

    Locked first: of two who make and remove one at the same moment, the later sees what the other has done.
    """
    owner = repository or namespace
    table, mine = type(owner), type(owner).id == owner.id
    session.execute(select(table.id).where(mine).with_for_update(key_share=True))
    session.execute(update(table).where(mine).values(fixes_tags=_of(namespace, repository).exists()))
    session.refresh(owner, ["fixes_tags"])


def _refuse_twin(
    session: Session, namespace: Account, repository: Repository | None, policy: ImmutabilityPolicy
) -> None:
    same = _of(namespace, repository).where(ImmutabilityPolicy.tag_pattern == policy.tag_pattern)
    found = session.scalar(same)
    if found is not None and found is not policy:
        raise Conflict("tagPattern: there is a policy with the same pattern already")


def _checked(tag_pattern: str) -> str:
    stripped = tag_pattern.strip()
    if not stripped:
        raise Invalid("tagPattern: expected a regular expression, got nothing")
    return check_pattern(stripped, subject="tagPattern")


def _told(policy: ImmutabilityPolicy) -> dict[str, Any]:
    return {
        "policy_uuid": policy.uuid,
        "tag_pattern": policy.tag_pattern,
        "tag_pattern_matches": policy.tag_pattern_matches,
    }


def _record(
    session: Session, kind: str, namespace: Account, repository: Repository | None, *, actor: Identity, **told: Any
) -> None:
    of_repository: dict[str, Any] = {"repository": repository} if repository else {"namespace": namespace}
    audit.record(session, kind, actor=actor, **of_repository, **told)
