"""Counters that `GET /metrics` shows, in one place so that the registry, the API and the workers can all count.

`pushed`, `pulled`, `blob_bytes` and `request_finished` count in this process's own file or memory, in microseconds.
A build's process lives for one build only, so `build_finished` counts in Redis, for the whole installation.
"""

import logging
from functools import cache
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Histogram
from redis import Redis
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

# Of its own, so that nothing is counted or shown but what is declared here.
registry = CollectorRegistry()

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
BUILDS_KEY = "drydock/metrics/builds"

_LATENCIES_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)

_requests = Counter("drydock_http_requests", "Requests answered.", ["surface", "method", "status"], registry=registry)
_latency = Histogram(
    "drydock_http_request_seconds",
    "Time from a request's first line to the last byte of its answer.",
    ["surface", "method"],
    buckets=_LATENCIES_S,
    registry=registry,
)
_pushes = Counter("drydock_pushes", "Manifests pushed.", registry=registry)
_pulls = Counter("drydock_pulls", "Manifests pulled.", registry=registry)
_bytes = Counter("drydock_blob_bytes", "Bytes of blobs received (in) and sent (out).", ["direction"], registry=registry)


def pushed() -> None:
    """A manifest was pushed."""
    _pushes.inc()


def pulled() -> None:
    """A manifest was pulled."""
    _pulls.inc()


def blob_bytes(direction: Literal["in", "out"], count: int) -> None:
    """`count` bytes of a blob were received from (in) or sent to (out) a client."""
    _bytes.labels(direction).inc(count)


def request_finished(surface: str, method: str, status: int, seconds: float) -> None:
    """A request to `surface` (a word of ours, never a caller's) was answered; `seconds` until its last byte."""
    number, time = _request_counters(surface, method if method in _METHODS else "other", status)
    number.inc()
    time.observe(seconds)


@cache
def _request_counters(surface: str, method: str, status: int) -> tuple[Counter, Histogram]:
    """Found once: callers may invent methods, but they are not among these."""
    return _requests.labels(surface, method, str(status)), _latency.labels(surface, method)


def build_finished(redis: Redis, result: str, seconds: float) -> None:
    """A build ended with one of JobResult after running for `seconds`. A Redis that is down is only logged."""
    try:
        with redis.pipeline() as pipe:
            pipe.hincrby(BUILDS_KEY, f"{result}/count")
            pipe.hincrbyfloat(BUILDS_KEY, f"{result}/seconds", seconds)
            pipe.execute()
    except RedisError as exc:
        log.warning("a finished build is missing in the metrics, Redis did not count it: %s", exc)


def finished_builds(redis: Redis) -> dict[str, tuple[int, float]]:
    """How many builds ended with each result, and how many seconds they ran together; RedisError."""
    counted = {_text(field): float(value) for field, value in redis.hgetall(BUILDS_KEY).items()}
    results = sorted({field.partition("/")[0] for field in counted})
    return {
        result: (int(counted.get(f"{result}/count", 0)), counted.get(f"{result}/seconds", 0.0)) for result in results
    }


def _text(field: bytes | str) -> str:
    return field.decode() if isinstance(field, bytes) else field
