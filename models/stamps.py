"""Whether the rights in a namespace are still what they were: told by one look at its stamp (models.tables.stamps)."""

from sqlalchemy import bindparam, select

from models.session import Session
from models.tables import AccessStamp, Account
from models.tables.stamps import EVERYWHERE

_STAMPS = select(AccessStamp.namespace_id, AccessStamp.stamp).where(
    AccessStamp.namespace_id.in_((EVERYWHERE, bindparam("namespace_id")))
)


def access_stamp(session: Session, namespace: Account) -> str | None:
    """What no two states of the rights in the namespace share; None if it is not known.

    It may be that of an earlier moment than what is read after it, never of a later one.
    """
    stamps = {row.namespace_id: row.stamp for row in session.run(_STAMPS, {"namespace_id": namespace.id})}
    if namespace.id not in stamps:
        return None
    return f"{stamps[namespace.id]} {stamps.get(EVERYWHERE, '')}"
