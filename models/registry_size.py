"""How many bytes all blobs of the installation take, counted when a superuser asks for it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, select

from models import jobs
from models.dialect import upsert
from models.session import Session
from models.tables import Blob, Job, RegistrySize
from models.tables.base import now

KIND = "registry_size"
QUEUE = "reports"
_ONLY = 1


@dataclass(frozen=True)
class Measured:
    """The size when it was last counted, and whether it is being counted again."""

    size: int
    counted_at: datetime | None
    queued: bool
    running: bool


def get_registry_size(session: Session) -> Measured:
    """Quay operation getRegistrySize."""
    row = session.get(RegistrySize, _ONLY)
    states = set(session.scalars(_open_jobs()))
    return Measured(row.size if row else 0, row.counted_at if row else None, "queued" in states, "running" in states)


def queue_count(session: Session) -> bool:
    """Have the size counted; false if that waits to be done already. Quay operation queueRegistrySizeCalculation."""
    if "queued" in set(session.scalars(_open_jobs())):
        return False
    jobs.enqueue(session, kind=KIND, queue=QUEUE, namespace=None)
    return True


def count_size(session: Session) -> int:
    """Count now."""
    return int(session.scalars(select(func.coalesce(func.sum(Blob.size), 0))).one())


def record_size(session: Session, size: int) -> None:
    """Keep what was counted."""
    statement = upsert(session.get_bind().dialect.name, RegistrySize, key=("id",), change=("size", "counted_at"))
    session.run(statement, {"id": _ONLY, "size": size, "counted_at": now()})


def _open_jobs() -> Select[str]:
    return select(Job.state).where(Job.kind == KIND, Job.state.in_(jobs.OPEN))
