"""`GET /metrics`: what the processes have counted, and what waits and runs right now, for Prometheus."""

import logging
import os
from collections.abc import Iterator

from flask import Blueprint, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from redis.exceptions import RedisError
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from models import deliveries, jobs, metrics
from models.tables import Upload
from registry.services import Services

log = logging.getLogger(__name__)


def blueprint(services: Services) -> Blueprint:
    """The page, open to everybody who reaches the server; it names nobody and nothing of theirs."""
    page = Blueprint("metrics", __name__)

    @page.get("/metrics")
    def show() -> Response:
        return Response(collect(services), content_type=CONTENT_TYPE_LATEST)

    return page


def collect(services: Services) -> bytes:
    """Everything, in Prometheus's text format."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        shown = CollectorRegistry()
        MultiProcessCollector(shown)  # type: ignore[no-untyped-call]
    else:
        shown = metrics.registry
    installation = CollectorRegistry()
    installation.register(_Installation(services))
    return generate_latest(shown) + generate_latest(installation)


class _Installation(Collector):
    """What holds for all processes together: the same on every instance, so take one or the largest, never the sum."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def describe(self) -> list[Metric]:
        return []  # or registering would collect once

    def collect(self) -> Iterator[Metric]:
        """What the database and Redis tell; one that does not answer is missing, and `drydock_up` says so."""
        up = GaugeMetricFamily("drydock_up", "Whether a service answers.", labels=["service"])
        for service, collect in (("database", self._from_database), ("redis", self._from_redis)):
            try:
                yield from collect()
            except (SQLAlchemyError, RedisError) as exc:
                log.warning("metrics lack what %s would tell: %s", service, exc)
                up.add_metric([service], 0)
            else:
                up.add_metric([service], 1)
        yield up

    def _from_database(self) -> list[Metric]:
        with self._services.database.read() as session:
            counted = jobs.count_open(session)
            unsent = deliveries.count_waiting(session)
            uploads = session.scalars(select(func.count()).where(Upload.revision >= 0)).one()
        lengths = GaugeMetricFamily("drydock_jobs", "Jobs that wait and run.", labels=["queue", "state"])
        for queue, state in sorted(counted):
            lengths.add_metric([queue, state], counted[queue, state])
        waiting = GaugeMetricFamily("drydock_deliveries", "Mail and notifications still to be sent.", labels=["kind"])
        for kind in sorted(unsent):
            waiting.add_metric([kind], unsent[kind])
        begun = GaugeMetricFamily("drydock_uploads", "Blob uploads begun and not finished.", value=uploads)
        return [lengths, waiting, begun]

    def _from_redis(self) -> list[Metric]:
        builds = CounterMetricFamily("drydock_builds", "Builds that ended, by result.", labels=["result"])
        seconds = CounterMetricFamily("drydock_build_seconds", "Time that builds ran, by result.", labels=["result"])
        for result, (count, total) in metrics.finished_builds(self._services.redis).items():
            builds.add_metric([result], count)
            seconds.add_metric([result], total)
        return [builds, seconds]
