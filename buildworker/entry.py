"""Where a wake-up leads: take the job, if it is still to be taken, and carry it out."""

import logging
import os
import signal
from collections.abc import Callable, Mapping

from buildworker import builds, owner, runtime
from buildworker.stop import Stop
from models import jobs
from models.builds import KIND as BUILD
from models.jobs import Lease

log = logging.getLogger(__name__)

KINDS: Mapping[str, Callable[[runtime.Runtime, Lease, Stop], None]] = {BUILD: builds.run}
"""What carries out a job of each kind. `Stop`: the worker is to stop."""


def run(job_uuid: str) -> None:
    """Carry out the job. A wake-up for one that another worker has, or that has ended, is nothing to worry about.

    Called in a process of its own, whose SIGTERM gives the job back.
    """
    stop = Stop()
    stop.on(signal.SIGTERM)
    with runtime.opened(runtime.settings()) as opened:
        with opened.database.write() as session:
            lease = jobs.claim(session, job_uuid, owner.name_of(os.getpid(), runtime.worker()))
        if lease is None:
            log.info("job %s does not wait any more", job_uuid)
            return
        log.info("job %s begins: %s, attempt %d of %d", lease.uuid, lease.kind, lease.attempt, lease.max_attempts)
        KINDS[lease.kind](opened, lease, stop)
