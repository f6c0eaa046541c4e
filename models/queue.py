"""How a worker learns that a job waits: an RQ job whose id is the job's uuid, and which says no more.

Losing one loses nothing: the `job` row is the truth, and the scheduler wakes again what was not heard. Which job the
worker then takes is up to the queue (`models.build_queue`).
"""

import logging
import time
from collections.abc import Sequence
from typing import cast

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rq import Queue as RqQueue
from rq.job import Job as RqJob
from rq.serializers import JSONSerializer

from config.settings import Settings
from models import deliveries

log = logging.getLogger(__name__)

HINTED = frozenset({deliveries.QUEUE})
"""Queues whose workers look into the database at any wake-up, and now and then without one."""
_MOST_HINTS = 64
_PAUSE_S = 5.0
ENTRY_POINT = "buildworker.entry.run"  # by name: the web process never imports the worker's code


class WakeUps:
    """Sends wake-ups over Redis. `redis` must not decode responses (RQ's own requirement)."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._hints_from = 0.0

    def send(self, queue: str, job_uuid: str) -> None:
        """Wake a worker for the job; a Redis that is down is only logged, since somebody looks for the job anyway."""
        try:
            if queue in HINTED:
                self._hint(queue)
                return
            self.queue(queue).enqueue_call(
                ENTRY_POINT, args=(queue,), job_id=job_uuid, result_ttl=0, failure_ttl=0, timeout=-1
            )
        except RedisError as exc:
            self._hints_from = time.monotonic() + _PAUSE_S
            log.warning("job %s waits without a wake-up, Redis did not take it: %s", job_uuid, exc)

    def _hint(self, queue: str) -> None:
        """Tell that something waits: pushes do it, which a Redis that is away must not slow down again and again."""
        if time.monotonic() < self._hints_from:
            return
        key = self.queue(queue).key
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.rpush(key, b"something")
            pipe.ltrim(key, -_MOST_HINTS, -1)
            pipe.execute()

    def wait(self, queues: Sequence[str], seconds: int) -> bool:
        """Wait for a wake-up in any of the queues and use it up; whether one came; RedisError."""
        heard = self._redis.blpop([self.queue(name).key for name in queues], timeout=seconds)
        if heard is None:
            return False
        self._redis.delete(RqJob.key_for(cast("tuple[bytes, bytes]", heard)[1].decode()))
        return True

    def queue(self, name: str) -> RqQueue:
        return RqQueue(name, connection=self._redis, serializer=JSONSerializer)


def count_workers(redis: Redis, queue: str) -> int | None:
    """How many workers wait for or do the jobs of a queue with a process for each; None if Redis does not answer."""
    try:
        names = cast("set[bytes]", redis.smembers(f"rq:workers:{queue}"))
        return redis.exists(*names) if names else 0  # a worker that died is in the set, its key expires
    except RedisError as exc:
        log.warning("nobody knows how many workers there are, Redis does not answer: %s", exc)
        return None


def open_redis(settings: Settings) -> Redis:
    """The Redis of this installation; `serve` has put the address of its private one into the settings."""
    if settings.redis_url is None:
        raise ValueError("no Redis is configured: set REDIS_URL or BUILDLOGS_REDIS")
    # One more try at once: a connection that was idle may be dead, a server that is down stays down for a request.
    again = Retry(NoBackoff(), 1)
    url = settings.redis_url.get_secret_value()
    return Redis.from_url(url, socket_timeout=10, socket_connect_timeout=2, retry=again)
