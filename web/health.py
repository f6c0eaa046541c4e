"""Health for load balancers and people: `/health/instance` of this process, `/health/endtoend` of all it stands on."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import NamedTuple

from flask import Blueprint, Response, jsonify
from sqlalchemy import text

from registry.services import Services

log = logging.getLogger(__name__)

TIMEOUT_S = 3.0
FRESH_S = 1.0
"""How long a result stands, so that asking for it does not become a load of its own."""
SCHEDULER_KEY = "drydock/scheduler"
"""What the scheduler at work keeps in Redis, where it expires soon after the last sign of life."""


class Unwell(Exception):
    """A check's finding, fit to be told."""


def blueprint(services: Services) -> Blueprint:
    """Both pages, open to everybody; they tell no names and addresses."""
    page = Blueprint("health", __name__, url_prefix="/health")
    checks = Checks(checks_of(services))

    @page.get("/instance")
    def instance() -> Response:
        # That it answers is what there is to know; Quay's names, which probes may look for.
        return _answer({"registry_gunicorn": None, "web_gunicorn": None})

    @page.get("/endtoend")
    def endtoend() -> Response:
        return _answer(checks.look())

    return page


def checks_of(services: Services) -> Mapping[str, Callable[[], None]]:
    """What has to work, by name: each raises if it does not."""

    def database() -> None:
        with services.database.read() as session:
            session.execute(text("SELECT 1"))

    def redis() -> None:
        services.redis.ping()

    def scheduler() -> None:
        if not services.redis.exists(SCHEDULER_KEY):
            raise Unwell("no scheduler is at work")

    return {"database": database, "redis": redis, "storage": services.storage.ping, "scheduler": scheduler}


class _Known(NamedTuple):
    at: float
    faults: dict[str, str | None]


class Checks:
    """Runs checks side by side, each at most once at a time and never waited for longer than `timeout_s`."""

    def __init__(
        self, checks: Mapping[str, Callable[[], None]], *, timeout_s: float = TIMEOUT_S, fresh_s: float = FRESH_S
    ) -> None:
        self._checks = checks
        self._timeout_s = timeout_s
        self._fresh_s = fresh_s
        self._pool = ThreadPoolExecutor(len(checks), thread_name_prefix="health")
        self._running: dict[str, Future[None]] = {}
        self._looking = threading.Lock()
        self._known: _Known | None = None

    def look(self) -> dict[str, str | None]:
        """What is wrong with each, or None. While another caller looks, the last result is the answer."""
        known = self._known
        if not self._looking.acquire(blocking=known is None):
            return known.faults if known else {}
        try:
            known = self._known
            if known is None or time.monotonic() - known.at >= self._fresh_s:
                faults = self._run()
                known = self._known = _Known(time.monotonic(), faults)  # from now, however long the look took
            return known.faults
        finally:
            self._looking.release()

    def _run(self) -> dict[str, str | None]:
        for name, check in self._checks.items():
            if name not in self._running:  # one that still hangs is not started a second time
                self._running[name] = self._pool.submit(check)
        wait(self._running.values(), self._timeout_s)
        faults = {name: self._fault(name, future) for name, future in self._running.items()}
        self._running = {name: future for name, future in self._running.items() if not future.done()}
        return faults

    def _fault(self, name: str, future: Future[None]) -> str | None:
        if not future.done():
            return f"no answer within {self._timeout_s:g} s"
        error = future.exception()
        if error is None:
            return None
        log.warning("health: %s: %s", name, error)
        return str(error) if isinstance(error, Unwell) else f"fails ({type(error).__name__}); the log has more"


def _answer(faults: Mapping[str, str | None]) -> Response:
    """In Quay's shape, with the reasons of what is not well beside it."""
    status = 503 if any(faults.values()) else 200
    data: dict[str, object] = {"services": {name: fault is None for name, fault in faults.items()}}
    if status != 200:
        data["reasons"] = {name: fault for name, fault in faults.items() if fault}
    response = jsonify(data=data, status_code=status)
    response.status_code = status
    response.headers["Cache-Control"] = "no-cache, no-store, must-revalidate"
    return response
