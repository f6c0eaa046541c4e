"""Signs of life of the processes that answer no requests, so that health checks can tell when one is missing."""

import time

from redis import Redis

EXPIRES_S = 3600  # a role that was taken out of service is forgotten


def beat(redis: Redis, role: str) -> None:
    """Note that a process of the role is alive and at work now; to be called every few seconds. RedisError."""
    redis.set(_key(role), str(time.time()), ex=EXPIRES_S)


def seconds_since(redis: Redis, role: str) -> float | None:
    """How long ago a process of the role last was; None if not within the hour. RedisError."""
    noted = redis.get(_key(role))
    return None if noted is None else max(0.0, time.time() - float(noted))


def _key(role: str) -> str:
    return f"drydock/heartbeat/{role}"
