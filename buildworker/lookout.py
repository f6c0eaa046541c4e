"""The second thread of a running job: shows that the job lives, and looks out for reasons to end it."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Literal, Self

from sqlalchemy.exc import SQLAlchemyError

from buildworker.runtime import Runtime
from buildworker.stop import Stop
from models import jobs
from models.jobs import Lease

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5

Reason = Literal["lost", "cancelled", "stopped"]
"""Why a job must end now: another worker has it, somebody cancelled it, or this worker is being stopped."""


class Lookout:
    """Use it in a `with` around the work, and `ended` as the work's `cancelled`.

    A database that does not answer is no reason to end. It does not answer others either, as a rule; and if another
    worker does get the job meanwhile, this one learns it with the next answer, and its records are refused. `clock`
    gives seconds.
    """

    def __init__(
        self, runtime: Runtime, lease: Lease, stop: Stop, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._runtime = runtime
        self._lease = lease
        self._stop = stop
        self._reason: Reason | None = None
        self._left = threading.Event()
        self._complained = False
        self._thread = threading.Thread(target=self._look, name="lookout", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        self._thread.join()

    @property
    def reason(self) -> Reason | None:
        """Why the work must end; None if it need not. The first two weigh more than the third."""
        return self._reason or ("stopped" if self._stop.is_set() else None)

    def ended(self) -> bool:
        return self.reason is not None

    def note(self, standing: jobs.Standing) -> None:
        """Tell how the worker stands to the job, learned elsewhere."""
        if standing != "held":
            self._reason = standing

    def _look(self) -> None:
        next_beat = self._clock() + self._runtime.settings.BUILD_HEARTBEAT_SEC
        while not self._left.wait(LOOK_EVERY_S) and self._reason is None:
            beat = self._clock() >= next_beat
            try:
                self.note(self._standing(beat=beat))
                self._complained = False
                if beat:  # one that failed is tried again at the next look
                    next_beat = self._clock() + self._runtime.settings.BUILD_HEARTBEAT_SEC
            except SQLAlchemyError as exc:
                self._complain(exc)

    def _standing(self, *, beat: bool) -> jobs.Standing:
        if beat:
            with self._runtime.database.write() as session:
                jobs.heartbeat(session, self._lease)
                return jobs.standing(session, self._lease)
        with self._runtime.database.read() as session:
            return jobs.standing(session, self._lease)

    def _complain(self, exc: SQLAlchemyError) -> None:
        if not self._complained:
            log.warning("job %s goes on unseen, the database does not answer: %s", self._lease.uuid, exc)
        self._complained = True
