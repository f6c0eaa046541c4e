"""Where a wake-up leads: take the job, if it is still to be taken, and carry it out."""

import logging
import os
import signal
from collections.abc import Callable, Mapping

from buildworker import builds, exports, owner, registry_size, runtime
from buildworker.stop import Stop
from models import jobs, log_exports
from models import registry_size as registry_sizes
from models.builds import KIND as BUILD
from models.jobs import Lease

log = logging.getLogger(__name__)

KINDS: Mapping[str, Callable[[runtime.Runtime, Lease, Stop], None]] = {
    BUILD: builds.run,
    log_exports.KIND: exports.run,
    registry_sizes.KIND: registry_size.run,
}
"""What carries out a job of each kind. `Stop`: the worker is to stop, and the job to be given back."""


def run(job_uuid: str) -> None:
    """Carry out the job. A wake-up for one that another worker has, or that has ended, is nothing to worry about.

    Called in a process of its own, whose SIGTERM gives the job back.
    """
    stop = Stop()
    stop.on(signal.SIGTERM)
    with runtime.opened(runtime.settings()) as opened:
        if lease := take(opened, job_uuid, owner.name_of(os.getpid(), runtime.worker())):
            carry_out(opened, lease, stop)


def take(opened: runtime.Runtime, job_uuid: str, name: str) -> Lease | None:
    """Take the job for the process of that name; None if it does not wait any more."""
    with opened.database.write() as session:
        lease = jobs.claim(session, job_uuid, name)
    if lease is None:
        log.info("job %s does not wait any more", job_uuid)
    return lease


def carry_out(opened: runtime.Runtime, lease: Lease, stop: Stop) -> None:
    """Do what jobs of its kind are for. `stop`: see KINDS."""
    log.info("job %s begins: %s, attempt %d of %d", lease.uuid, lease.kind, lease.attempt, lease.max_attempts)
    KINDS[lease.kind](opened, lease, stop)
