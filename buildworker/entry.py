"""Where a wake-up leads: take a job, if there is still one to be taken, and carry it out."""

import logging
import os
import signal
from collections.abc import Callable, Mapping

from buildworker import builds, exports, owner, registry_size, runtime
from buildworker.stop import Stop
from models import build_queue, jobs, log_exports
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


def run(queue: str) -> bool:
    """Carry out the job whose turn it is in the queue, if there is one; whether there was.

    Called in a process of its own, whose SIGTERM gives the job back.
    """
    stop = Stop()
    stop.on(signal.SIGTERM)
    with runtime.opened(runtime.settings()) as opened:
        lease = take_next(opened, queue, owner.name_of(os.getpid(), runtime.worker()))
        if lease is not None:
            carry_out(opened, lease, stop)
    return lease is not None


def take_next(opened: runtime.Runtime, queue: str, name: str) -> Lease | None:
    """Take the first job of the queue that may run, for the process of that name."""
    if queue != build_queue.QUEUE:
        raise ValueError(f"no process of its own is made for jobs of the queue {queue}")
    with opened.database.write() as session:
        return build_queue.claim_next(session, name, limit=opened.settings.BUILD_MAX_RUNNING_PER_NAMESPACE)


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
