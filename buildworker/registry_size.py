"""The job that counts how large the registry is."""

from buildworker.runtime import Runtime
from buildworker.stop import Stop
from models import jobs
from models.jobs import Lease
from models.registry_size import count_size, record_size


def run(runtime: Runtime, lease: Lease, _: Stop) -> None:
    """Count, and keep the result."""
    with runtime.database.read() as session:
        size = count_size(session)
    with runtime.database.write() as session:
        if jobs.finish(session, lease, "success", phase="complete"):
            record_size(session, size)
