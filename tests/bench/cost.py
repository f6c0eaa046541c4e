"""What requests cost: the time that processors spend on them, which does not depend on who else uses the machine."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import psycopg

from tests.services.drydock import Drydock
from tests.services.process import descendants


class Cost(NamedTuple):
    """Processor time so far, in milliseconds: of the web processes, and of their database connections."""

    web_ms: float
    database_ms: float

    def since(self, before: "Cost") -> "Cost":
        return Cost(self.web_ms - before.web_ms, self.database_ms - before.database_ms)


def meter(drydock: Drydock, uri: str | None) -> Callable[[], Cost]:
    """Reads the cost so far of an installation; `uri` is its PostgreSQL database, if it has one."""
    web = {pid for master in drydock.web_processes() for pid in (master, *descendants(master))}

    def read() -> Cost:
        return Cost(_busy_ms(web), _busy_ms(_backends(uri)) if uri else 0.0)

    return read


def _backends(uri: str) -> list[int]:
    with psycopg.connect(uri) as connection:
        others = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        return [pid for (pid,) in connection.execute(others).fetchall()]


def _busy_ms(pids: Iterable[int]) -> float:
    tasks = [task for pid in pids for task in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e6
