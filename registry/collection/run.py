"""One run of collection: its transactions, how far it is, and whether it goes on."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from models.session import Database, Session
from registry.collection.terms import Terms
from storage.driver import StorageDriver

SHORTEST_REST_S = 0.002
T = TypeVar("T")


@dataclass
class Collected:
    """What went. `bytes` are those of `blobs`, `objects` what storage has confirmed, `orphans` what no row knew."""

    tags: int = 0
    repositories: int = 0
    manifests: int = 0
    links: int = 0
    blobs: int = 0
    bytes: int = 0
    uploads: int = 0
    objects: int = 0
    orphans: int = 0


@dataclass(frozen=True)
class Run:
    """`stop` is asked between two slices; `report` is told after each."""

    database: Database
    storage: StorageDriver
    terms: Terms
    stop: Callable[[], bool] = lambda: False
    report: Callable[[Collected], None] = lambda _: None
    collected: Collected = field(default_factory=Collected)

    def slice(self, work: Callable[[Session], T]) -> T:
        """Do `work` in a transaction of its own, then rest as long: whoever waits for the database comes first."""
        began = time.monotonic()
        done = self.database.apply(work)
        self.report(self.collected)
        time.sleep(min(max(time.monotonic() - began, SHORTEST_REST_S), self.terms.rest_s))
        return done

    def repeat(self, work: Callable[[Session], int]) -> int:
        """Do `work` in slices until one finds nothing to do; the sum of what they did."""
        total = 0
        while not self.stop():
            done = self.slice(work)
            if not done:
                break
            total += done
        return total
