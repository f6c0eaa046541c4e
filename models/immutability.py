"""Which tags are immutable by a policy, from the moment they begin."""

from sqlalchemy import bindparam, or_, select

from models.patterns import Selector
from models.session import Session
from models.tables import ImmutabilityPolicy, Repository

_POLICIES = select(ImmutabilityPolicy.tag_pattern, ImmutabilityPolicy.tag_pattern_matches).where(
    ImmutabilityPolicy.namespace_id == bindparam("namespace_id"),
    or_(ImmutabilityPolicy.repository_id.is_(None), ImmutabilityPolicy.repository_id == bindparam("repository_id")),
)


def is_fixed(session: Session, repository: Repository, name: str) -> bool:
    """Whether a policy of the repository or its namespace makes a tag of that name immutable.

    Where there is no policy at all, the rows of both tell so already.
    """
    if not repository.fixes_tags and not repository.namespace.fixes_tags:
        return False
    policies = session.run(_POLICIES, {"namespace_id": repository.namespace_id, "repository_id": repository.id})
    return any(Selector(row.tag_pattern, inverted=not row.tag_pattern_matches).picks(name) for row in policies.all())
